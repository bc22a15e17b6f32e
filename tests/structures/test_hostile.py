"""Files that once crashed, hung or confused a reader, as short as they can be; and what no file should be."""

import json
import os
import sys
import time
from pathlib import Path

import gemmi
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andersonn.errors import LONGEST_TEXT, InputError
from andersonn.structures.graph import AtomBondGraph
from andersonn.structures.image import NodeNeighborImage
from andersonn.structures.neighbors import _pairs_by_tree, pairs_within
from andersonn.structures.readers import content as contents
from andersonn.structures.readers import read_content, read_each, read_file
from andersonn.structures.structure import MOST_ATOMS, Structure
from tests.conftest import random_structure
from tests.forked import run
from tests.fuzz.corpus import COMPONENT, SYMMETRIC
from tests.structures.test_readers import POSCAR

FLUORITE = SYMMETRIC.format(symmetry="_symmetry_space_group_name_H-M 'F m -3 m'")
ATOM = "ATOM  {:5d} {:<4s}{}{:>3s} A{:4d}    {:8.3f}{:8.3f}{:8.3f}  1.00  0.00          {:>2s}\n"
METHANOL = [
    ("C", -0.372, 0.002, 0.003), ("O", 0.904, -0.543, 0.147), ("H", -0.364, 1.049, 0.321), ("H", -0.703, -0.025, -1.042),
    ("H", -1.048, -0.595, 0.628), ("H", 1.570, -0.005, -0.381),
]  # fmt: skip
GLYCINE = [
    ("N", -0.907, 0.547, -0.848), ("CA", -0.662, -0.406, 0.194), ("C", 0.785, -0.402, 0.542), ("O", 1.214, -1.084, 1.453)
]  # fmt: skip


def pdb(*rows) -> str:
    return "".join(ATOM.format(k, *row) for k, row in enumerate(rows, start=1))


def read(name: str, text: str | bytes):
    return read_content(text.encode() if isinstance(text, str) else text, Path(name))


def glycine(*more) -> str:
    return pdb(*[(name, " ", "GLY", 1, x, y, z, name[0]) for name, x, y, z in [*GLYCINE, *more]])


def mmcif(column: str, value: str) -> str:
    """Glycine without hydrogens, in whose first atom a column has another value."""
    block = gemmi.read_pdb_string(glycine()).make_mmcif_block()
    block.find_values(f"_atom_site.{column}")[0] = value
    return block.as_string()


def far_apart() -> str:
    """A molecule so long and flat that a cell list has no cell across it: vesin divided by that number."""
    return "3\n\nC 0 0 0\nC 8373 0 1\nH 0 1 9999\n"


CASES = {
    "a column for each of a billion": ("a.xyz", "1\nProperties=species:S:1:pos:R:1000000000\nNa 0 0 0\n", "bad_xyz"),
    "a column count that is none": ("a.xyz", "1\nProperties=species:S:1:pos:R:²\nNa 0 0 0\n", "bad_xyz"),
    "a raised digit as count": ("a.xyz", "²\n\nNa 0 0 0\nNa 4 0 0\n", "bad_xyz"),
    "thousands of digits": ("a.xyz", "9" * 5000 + "\n\nNa 0 0 0\n", "bad_xyz"),
    "nested JSON": ("a.xyz", '1\na="_JSON ' + "[" * 5000 + '"\nNa 0 0 0\n', None),
    "far apart": ("a.xyz", far_apart(), None),
    "an occupancy in the comment": ("a.xyz", "1\noccupancy=1\nNa 0 0 0\n", None),
    "occupancies in the comment": ("a.xyz", '1\noccupancy="_JSON [1]"\nNa 0 0 0\n', None),
    "POSCAR: a raised digit": ("POSCAR", POSCAR.replace("1 1\n", "1 ²\n"), "bad_poscar"),
    "POSCAR: thousands of digits": ("POSCAR", POSCAR.replace("1 1\n", "1 " + "1" * 5000 + "\n"), "bad_poscar"),
    "POSCAR: a billion": ("POSCAR", POSCAR.replace("1 1\n", "1 1000000000\n"), "too_large"),
    "POSCAR: a number among the symbols": ("POSCAR", POSCAR.replace("Na Cl", "2147483648 Cl"), "bad_poscar"),
    "POSCAR: old line ends": ("POSCAR", POSCAR.replace("\n", "\r"), None),
    "formula with a full stop": ("a.cif", FLUORITE.replace("'Ca F2'", "'Ca. F2.'"), None),
    "formula of nothing": ("a.cif", FLUORITE.replace("'Ca F2'", "'Ca0 F0'"), None),
    "an integer that is none": ("a.cif", FLUORITE.replace("_chemical", "_space_group_IT_number 1e\n_chemical"), "bad_cif"),
    "a single site without a label": (
        "a.cif", FLUORITE[: FLUORITE.index("_chemical")] + "_atom_site_type_symbol Ca\n" +
        "".join(f"_atom_site_fract_{x} 0\n" for x in "xyz"), None,
    ),
    "hundreds of translations": (
        "a.cif", SYMMETRIC.format(symmetry="loop_\n_symmetry_equiv_pos_as_xyz\n" + "".join(
            f"x+{k}/24,y+{j}/24,z\n" for k in range(24) for j in range(24)
        )) + "".join(f"Ca{k} Ca 0 0 {k / 320} 1 d\n" for k in range(320)), "too_large",
    ),
    "thousands of operations": (
        "a.cif", SYMMETRIC.format(symmetry="loop_\n_symmetry_equiv_pos_as_xyz\n" + "x,y,z\n" * 5000), "bad_symmetry",
    ),
    "PDB: an accent in a name": ("a.pdb", pdb(("Cé", " ", "UNL", 1, 0, 0, 0, "C")).encode("latin-1"), None),
    "PDB: an element after the last": ("a.pdb", pdb(("XX", " ", "GLY", 1, 0, 0, 0, "Xx")), "unknown_element"),
    "PDB: no place for hydrogens": ("a.pdb", glycine(GLYCINE[1]), "missing_hydrogens"),
    "mmCIF: atoms without names": (
        "a.mmcif", mmcif("label_seq_id", "1").replace("label_atom_id", "x").replace("auth_atom_id", "y"), "bad_mmcif",
    ),
    "mmCIF: a number that is none": ("a.mmcif", mmcif("label_seq_id", "1e"), "bad_mmcif"),
    "mmCIF: a long name of a chain": ("a.mmcif", mmcif("auth_asym_id", "long" * 9), "bad_pdb"),
    "a bond of no order": (
        "a.mol", "\n\n\n  2  1  0  0  0  0  0  0  0  0999 V2000\n" + "".join(
            f"{x:10.4f}{0:10.4f}{0:10.4f} C   0  0  0  0\n" for x in (0, 1.5)
        ) + "  1  2  0  0\nM  END\n", None,
    ),
    "a molecule without a geometry": ("a.smi", "c1cc2ccc1CC2", "no_conformer"),
    "a name that a terminal obeys": ("a.smi", "C \x1b[31mred\n", None),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_once_not_as_promised(case):
    name, text, kind = CASES[case]
    if kind is None:
        found = read(name, text)
        assert all(isinstance(item, Structure) for item in found)
        assert np.isfinite(NodeNeighborImage.from_structure(found[0]).distance).all()
        return
    with pytest.raises(InputError) as caught:
        read(name, text)
    assert caught.value.kind == kind
    assert caught.value.hint
    assert len(str(caught.value)) < 2 * LONGEST_TEXT + 10
    assert str(caught.value).isprintable()


def test_atoms_of_one_name_are_all_meant():
    """Ligands in PDB files often have no better names than the elements; the first of each was kept."""
    rows = [(element, " ", "UNL", 1, x, y, z, element) for element, x, y, z in METHANOL]
    (found,) = read("a.pdb", pdb(*rows))
    assert (found.formula, found.notes) == ("CH4O", ())
    rows[1:2] = [("O", "A", "UNL", 1, 0.904, -0.543, 0.147, "O"), ("O", "B", "UNL", 1, 0.9, -0.6, 0.2, "O")]
    (found,) = read("a.pdb", pdb(*rows))
    assert found.formula == "CH4O"
    assert "1 atoms of alternative conformations" in found.notes[0]
    assert read("a.mmcif", COMPONENT)[0].formula == "CH4O"


def test_names_of_parts_are_kept_but_bounded():
    found = read("a.smi", "C \x1b[31mred\nN \u202eright to left\nO " + "long " * 100)
    assert [item.id for item in found[:2]] == ["a:\x1b[31mred", "a:\u202eright to left"]  # who shows them escapes them
    assert 190 < len(found[2].id) < 210


def test_messages_are_short_and_printable():
    error = InputError("kind", "before \x1b \u2028" + "x" * 100_000 + " after", "hint")
    assert len(error.message) < LONGEST_TEXT
    assert error.message.startswith("before \\x1b xxx")
    assert error.message.endswith(" after")
    assert error.message.isprintable()
    assert len(InputError("kind", "\0" * 100_000, "hint").message) <= LONGEST_TEXT


def test_many_structures_are_refused_early(monkeypatch):
    monkeypatch.setattr(contents, "MOST_PARTS", 50)
    for name, text in (
        ("a.xyz", "1\n\nH 0 0 0\n" * 51), ("a.smi", "C\n" * 51), ("a.sdf", "\n\n\n\n$$$$\n" * 51),
        ("a.mol2", "@<TRIPOS>MOLECULE\n" * 51), ("a.cif", "".join(f"data_{k}\n_atom_site_label C\n" for k in range(51))),
        ("a.pdb", "".join(f"MODEL     {k:4d}\n{pdb(('C', ' ', 'UNL', 1, 0, 0, 0, 'C'))}ENDMDL\n" for k in range(51))),
    ):  # fmt: skip
        with pytest.raises(InputError, match="andersonn screen") as caught:
            read(name, text)
        assert caught.value.kind == "too_large"
    monkeypatch.undo()
    assert len(read("a.smi", "C\n" * 50)) == 50
    for word in ("data_", "save_", "DATA_"):
        with pytest.raises(InputError, match="andersonn screen"):
            read("a.cif", "data_a " + f"{word}b " * 100_001)


def test_endless_short_lines_and_values(monkeypatch):
    monkeypatch.setattr("andersonn.structures.readers.texts.MOST_LINES", 1000)
    monkeypatch.setattr("andersonn.structures.readers.crystals.cif.document.MOST_VALUES", 1000)
    for end in ("\n", "\r", "\r\n"):
        with pytest.raises(InputError, match="more than 1,000 lines"):
            read("a.xyz", f"x{end}" * 1001)
    with pytest.raises(InputError, match="1,003 values"):
        read("a.cif", "data_a loop_ _b" + " 1" * 1001)
    assert read("a.cif", FLUORITE)


class TestNeighbors:
    @settings(max_examples=40, deadline=None)
    @given(st.integers(1, 20), st.integers(0, 10_000), st.booleans(), st.sampled_from([1.5, 5.0, 9.0]))
    def test_the_tree_finds_what_the_cell_list_finds(self, n, seed, periodic, radius):
        rng = np.random.default_rng(seed)
        structure = random_structure(rng, n, periodic)
        if periodic:
            xyz = structure.xyz + rng.integers(-3, 4, size=(n, 3)) @ structure.cell
            structure = Structure(structure.Z, xyz, structure.cell)
        found = []
        for search in (pairs_within, _pairs_by_tree):
            i, j, distance, vector = search(structure.xyz, structure.cell, radius)
            order = np.lexsort((*np.round(vector.T, 4), j, i))
            assert np.allclose(np.linalg.norm(vector, axis=1), distance)
            found.append((i[order], j[order], distance[order], vector[order]))
        for a, b in zip(*found, strict=True):
            assert np.allclose(a, b, atol=1e-6)

    @pytest.mark.parametrize("lengths", [(9999, 4, 9999), (9999, 4, 4), (9000, 9000, 9000), (9999, 30, 5)])
    @pytest.mark.parametrize("periodic", [True, False])
    def test_mostly_empty_space(self, lengths, periodic):
        corner = np.array([[0, 0, 0], [0.9, 0.9, 0.9], [0.5, 0.1, 0.1]]) * lengths
        pair = np.concatenate([corner, corner + np.array([1.0, 0.2, 0.0])])
        structure = Structure([6] * 6, pair, np.diag(lengths).astype(float) if periodic else None)
        i, j, distance, _ = pairs_within(structure.xyz, structure.cell, 1.2)
        assert sorted(zip(i.tolist(), j.tolist())) == [(0, 3), (1, 4), (2, 5), (3, 0), (4, 1), (5, 2)]
        assert np.allclose(distance, np.sqrt(1.04))

    def test_crowds_are_refused_before_they_are_searched(self):
        begin = time.process_time()
        for xyz in (np.zeros((50_000, 3)), np.random.default_rng(0).uniform(0, 3, (50_000, 3))):
            for cell in (None, 50 * np.eye(3)):
                with pytest.raises(InputError, match="pairs of the 50,000 atoms") as caught:
                    Structure([1] * 50_000, xyz, cell)
                assert caught.value.kind == "too_crowded"
        assert time.process_time() - begin < 60


@pytest.mark.parametrize("scale", [1e-30, 1e30, np.nan, np.inf, -np.inf, 0.0, 1e308, 1e-308])
def test_lengths_beyond_sense(scale):
    text = POSCAR.replace("\n1.0\n", f"\n{scale}\n")
    frame = f'2\nLattice="{scale} 0 0 0 {scale} 0 0 0 {scale}"\nNa 0 0 0\nCl 0 0 {scale}\n'
    crystal = FLUORITE.replace("5.463", f"{scale:.0f}" if scale >= 1e30 and scale < np.inf else str(scale))
    for name, content in (("POSCAR", text), ("a.xyz", frame), ("a.xyz", f"1\n\nNa 0 0 {scale}\n"), ("a.cif", crystal)):
        if name == "a.xyz" and "Lattice" not in content and abs(scale) < 1:
            assert len(read(name, content)) == 1  # an atom at the origin, but for rounding
            continue
        with np.errstate(all="ignore"), pytest.raises(InputError) as caught:
            read(name, content)
        assert caught.value.kind in {
            "singular_cell", "not_finite", "bad_cell", "too_large", "no_cell", "bad_poscar", "bad_xyz", "overlapping_atoms"
        }  # fmt: skip


def test_too_many_atoms():
    with pytest.raises(InputError, match="at most 200,000"):
        Structure(np.ones(MOST_ATOMS + 1, int), np.zeros((MOST_ATOMS + 1, 3)))
    lines = "H 0 0 0\n" * (MOST_ATOMS + 1)
    with pytest.raises(InputError, match="at most 200,000"):
        read("a.xyz", f"{MOST_ATOMS + 1}\n\n{lines}")


@pytest.mark.slow
@pytest.mark.parametrize("periodic", [True, False])
def test_a_hundred_thousand_atoms(periodic):
    structure = random_structure(np.random.default_rng(0), 100_000, periodic)
    image = NodeNeighborImage.from_structure(structure)
    assert image.n_atoms == 100_000
    assert AtomBondGraph.from_structure(structure).n_bonds > 0


class TestNotAFile:
    def kind(self, path) -> str:
        with pytest.raises(InputError) as caught:
            read_file(path)
        assert caught.value.hint
        assert str(caught.value).isprintable()
        return caught.value.kind

    def test_kinds(self, tmp_path):
        os.mkfifo(tmp_path / "pipe.cif")
        (tmp_path / "loop.cif").symlink_to(tmp_path / "loop.cif")
        (tmp_path / "gone.cif").symlink_to(tmp_path / "nothing.cif")
        (tmp_path / "folder.cif").mkdir()
        (tmp_path / "empty.cif").touch()
        (tmp_path / "line\nend \x1b.cif").write_text("x")
        kinds = {path.name: self.kind(path) for path in tmp_path.iterdir()}
        assert kinds == {
            "pipe.cif": "not_a_file", "loop.cif": "unreadable", "gone.cif": "missing_file", "folder.cif": "directory",
            "empty.cif": "empty_file", "line\nend \x1b.cif": "bad_cif",
        }  # fmt: skip
        assert self.kind("/dev/zero") == "not_a_file"
        assert (
            self.kind("/dev/stdin" if not sys.stdin or not os.path.exists("/dev/full") else "/dev/full") == "not_a_file"
        )

    def test_without_permission(self, tmp_path):
        path = tmp_path / "a.cif"
        path.write_text(FLUORITE)
        path.chmod(0)
        if os.access(path, os.R_OK):
            pytest.skip("whoever runs this may read everything")
        assert self.kind(path) == "unreadable"

    @pytest.mark.parametrize("name", ["Å–ångström.cif", "结构.cif", "🧊.cif", "a b'\".cif", "-rf.cif", "line\nend.cif"])
    def test_odd_names_are_no_obstacle(self, tmp_path, name):
        (tmp_path / name).write_text(FLUORITE)
        (found,) = read_each(tmp_path / name)
        assert found.formula == "CaF2"

    def test_through_the_command_line(self, tmp_path):
        """Nothing hangs, every input has its answer or its error on a line of its own."""
        os.mkfifo(tmp_path / "pipe.cif")
        (tmp_path / "loop.cif").symlink_to(tmp_path / "loop.cif")
        (tmp_path / "结构\nå.cif").write_text(FLUORITE)
        (tmp_path / "empty.cif").touch()
        (tmp_path / "huge.xyz").write_text("1\nProperties=pos:R:1000000000\nNa 0 0 0\n")
        (tmp_path / "folder.cif").mkdir()
        words = [tmp_path, tmp_path / "none.cif", "/dev/zero", tmp_path / "folder.cif"]
        done = run("predict", "conduction", *words, "--format", "json")
        assert done.returncode == 1, done.stderr
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        kinds = {row["input"].rpartition("/")[2]: row.get("error", {}).get("kind") or row["class"] for row in rows}
        assert kinds == {
            "pipe.cif": "not_a_file", "loop.cif": "unreadable", "结构\nå.cif": "insulator", "empty.cif": "empty_file",
            "huge.xyz": "bad_xyz", "none.cif": "missing_file", "zero": "not_a_file", "folder.cif": "directory",
        }  # fmt: skip


TOKENS = ["Na", "Cl", "0", "1", "0.5", "-1", "nan", "1e99", "²", "9" * 30, "T", "Direct", "s", "!", '"', "="]
WORDS = st.lists(st.sampled_from(TOKENS) | st.text(max_size=4), max_size=5).map(" ".join)
LINES = st.lists(WORDS, max_size=14)


def ends_as_promised(name: str, text: str) -> None:
    try:
        found = read(name, text.encode("utf-8", "surrogatepass"))
    except InputError as error:
        found = [error]
    assert found
    assert all(isinstance(item, Structure) or (item.kind and item.hint) for item in found)


class TestAnyText:
    @settings(max_examples=150, deadline=None)
    @given(
        st.sampled_from(["a.cif", "POSCAR", "a.xyz", "a.smi", "a.sdf", "a.mol2", "a.pdb", "a.mmcif", "a.txt"]), LINES
    )
    def test_lines_of_words(self, name, lines):
        ends_as_promised(name, "\n".join(lines))

    @settings(max_examples=100, deadline=None)
    @given(st.sampled_from(["1", "2", "²", "1.0", "-2"]), WORDS, LINES)
    def test_frames(self, scale, counts, lines):
        head = ["c", scale, "4 0 0", "0 4 0", "0 0 4", "Na Cl", counts]
        ends_as_promised("POSCAR", "\n".join([*head, *lines]))
        ends_as_promised("a.xyz", "\n".join([scale, counts, *lines] * 2))

    @settings(max_examples=100, deadline=None)
    @given(st.text(st.sampled_from("xyz+-/,0123456789. q*"), max_size=20), st.text(max_size=10))
    def test_operations_and_formulas(self, operation, formula):
        symmetry = f"loop_\n_symmetry_equiv_pos_as_xyz\nx,y,z\n'{operation}'\n"
        text = SYMMETRIC.format(symmetry=symmetry).replace("'Ca F2'", f"\n;{formula}\n;\n")
        ends_as_promised("a.cif", text)

    @settings(max_examples=60, deadline=None)
    @given(st.text(st.sampled_from("CNOclnos()[]=#-+@/\\%123H."), max_size=12))
    def test_smiles(self, text):
        ends_as_promised("a.smi", f"{text} name")

    @settings(max_examples=60, deadline=None)
    @given(st.binary(max_size=60), st.sampled_from(["a.cif", "POSCAR", "a.xyz", "a.pdb", "a.sdf"]))
    def test_bytes(self, content, name):
        ends_as_promised(name, content.decode("latin-1"))
        ends_as_promised(name, content.decode("utf-8", "replace"))


@pytest.mark.parametrize("line", ["0\x1f\t0", "0 \x1f", "0\t\x1c\x1d", "0\t\u2003"])
def test_a_name_of_separators_alone_is_no_defect(line):
    with pytest.raises(InputError, match="no valid SMILES"):
        read("a.smi", line)
