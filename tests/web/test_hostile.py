"""Nothing that is sent takes the server down or makes it read another file."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest

from andersonn.errors import InputError
from andersonn.web.inputs import ENDINGS, PASTED, collected, ending_of, from_file
from andersonn.web.reading import structures_of
from tests.web.conftest import EXAMPLES

QUARTZ = (EXAMPLES / "structures/quartz.cif").read_bytes()
NAMES = [
    "../../../etc/passwd.cif", "/etc/passwd", "..\\..\\boot.cif", ".cif", "", "a\x00b.cif", "x" * 5000 + ".cif", "\r\nX: y.cif",
    "<script>alert(1)</script>.cif", "~root/.ssh/id_rsa", "con.cif", "\u202efic.cif", "POSCAR", "-rf.cif", "$(id).cif",
]  # fmt: skip
CONTENTS = [
    b"", b"\0" * 1000, b"data_x\n" * 20000, b"data_a\n_cell_length_a 1e400\n", b"[" * 5000, b"999999999\n\nC 0 0 0\n",
    b"1\nLattice=\"nan 0 0 0 nan 0 0 0 nan\"\nC 0 0 0\n", b"%PDF-1.7", b"\x1f\x8b\x08" + bytes(range(256)), b"\xff\xfe" + b"\xd8" * 99,
    b"loop_\n_include_file.name /etc/passwd\n", b"2\nProperties=species:S:1:pos:R:3 _JSON /etc/passwd\nH 0 0 0\nH 0 0 .8\n",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_no_part_of_a_name_is_a_path(name):
    (item,) = collected([(name, QUARTZ)], "", [])
    assert item.stem
    assert not item.stem.startswith((".", "-"))
    assert set(item.stem + (item.ending or "")) & set("/\\\0\r\n ~$<>") == set()
    nameless = name in ("/etc/passwd", "", "~root/.ssh/id_rsa")  # told by its content, where it is read
    assert item.ending == (".vasp" if name == "POSCAR" else None if nameless else ".cif")
    assert len(item.stem) <= 60
    assert item.shown.isprintable() or not item.shown


def test_a_poscar_does_not_look_beside_itself(tmp_path, monkeypatch):
    """A reader that lacks element symbols looks for a POTCAR in its folder: there is none to find."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "POTCAR").write_text("  PAW_PBE Si 05Jan2001\n")
    (tmp_path / "OUTCAR").write_text(" POTCAR: PAW_PBE Si 05Jan2001\n VRHFIN =Si:\n")
    for line in ("2", "2 Xx", "Xx 2"):
        text = f"x\n5.43\n0 .5 .5\n.5 0 .5\n.5 .5 0\n{line}\n2\nDirect\n0 0 0\n.25 .25 .25\n"
        payload = {**from_file("POSCAR", text.encode()).as_payload(), "task": "conduction"}
        from andersonn.errors import InputError

        with pytest.raises(InputError) as caught:
            structures_of(payload, {"atoms": 100, "structures": 5})
        assert "Si" not in caught.value.message.replace("SiO", "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["OUTCAR", "POTCAR"]  # what was sent is gone again


def test_hostile_uploads_get_errors_and_the_server_goes_on(server):
    pairs = [(f"a{ending}", content) for ending, content in itertools.product(sorted(set(ENDINGS.values())), CONTENTS)]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda pair: server.send(*pair), pairs))
    assert {answer.status_code for answer in found} <= {413, 422}
    for answer in found:
        assert answer.json()["error"]["kind"] not in ("internal", "failed"), answer.text
        assert "root:" not in answer.text
    again = server.send("quartz.cif", QUARTZ)
    assert again.status_code == 200, again.text


def test_names_are_shown_and_do_no_harm(server):
    answer = server.send("../../<b>etc</b>/passwd.cif", QUARTZ)
    assert answer.status_code == 200
    assert answer.json()["answers"][0]["id"] == "passwd"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_symmetry_bomb_is_refused(server):
    """A small file whose symmetry makes a hundred thousand atoms."""
    sites = "".join(f"C{k} C {0.013 * k % 1:.4f} {0.029 * k % 1:.4f} {0.041 * k % 1:.4f}\n" for k in range(600))
    text = (
        "data_x\n_cell_length_a 200\n_cell_length_b 200\n_cell_length_c 200\n_cell_angle_alpha 90\n_cell_angle_beta 90\n"
        "_cell_angle_gamma 90\n_space_group_name_H-M_alt 'F m -3 m'\nloop_\n_atom_site_label\n_atom_site_type_symbol\n"
        f"_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n{sites}"
    )
    answer = server.send("bomb.cif", text.encode())
    assert answer.status_code == 422
    assert answer.json()["error"]["kind"] in ("too_large", "too_slow", "out_of_memory", "overlapping_atoms")
    assert server.send("quartz.cif", QUARTZ).status_code == 200


def test_a_body_of_newlines_does_not_keep_others_waiting(server):
    """The pattern that told a CIF took 25 s for 20 kB of them, in the server's own loop."""
    text = "x\n" + "\n" * 300_000 + "y"
    with ThreadPoolExecutor(2) as threads:
        sent = [
            threads.submit(server.send, "x", text.encode()),
            threads.submit(server.ask, "predict", "polarity", text=text),
        ]
        assert server.client.get("/api/health").status_code == 200
        assert {answer.result().status_code for answer in sent} == {422}
        assert "too_slow" not in {answer.result().json()["error"]["kind"] for answer in sent}


def test_a_nameless_file_is_told_by_its_content(server):
    assert server.send("structure", QUARTZ).json()["answers"][0]["formula"] == "SiO2"
    odd = server.send("hello", b"hello, world!")
    assert odd.status_code == 422
    assert odd.json()["error"]["kind"] == "unknown_format"
    assert "'hello' is in no known format" in odd.json()["error"]["message"]


def test_molecules_that_cannot_be_placed_are_refused(server):
    several = "C12C3C4C1C5C2C3C45." + ".".join(["C1CC1"] * 2)
    answer = server.ask("predict", "polarity", smiles=several)
    assert answer.status_code == 422
    assert answer.json()["error"]["kind"] == "several_molecules"
    assert server.send("quartz.cif", QUARTZ).status_code == 200


@pytest.mark.parametrize(
    ("text", "ending"),
    [
        ("CCO", ".smi"), ("CCO ethanol\nO water", ".smi"), ("smiles,name\nCCO,ethanol", ".csv"), ("CCO\tethanol", ".smi"), ("hello, world!", None), ("\n\n", None), ("3\n\nO 0 0 0\n", ".xyz"),
        (QUARTZ.decode(), ".cif"), ((EXAMPLES / "molecules/solvents.sdf").read_text(), ".sdf"),
        ((EXAMPLES / "structures/SrTiO3.vasp").read_text(), ".vasp"), ("@<TRIPOS>MOLECULE\nx", ".mol2"), ("ATOM  x", ".pdb"), ("\n" * 300000, None),
        ("\n" * 3000 + "data_x\n_cell_length_a 1", ".cif"), ("# a\r\n \tDATA_x\r\n_cell_length_a 1", ".cif"), ("metadata_x _cell", None),
        ("2\rwater\u2028\rO 0 0 0\rH 0 0 1\r", ".xyz"),
    ],
)  # fmt: skip
def test_formats_are_told_by_content(text, ending):
    if ending is None:
        with pytest.raises(InputError, match="no known format"):
            ending_of(text.encode(), PASTED)
    else:
        assert ending_of(text.encode(), PASTED) == ending
