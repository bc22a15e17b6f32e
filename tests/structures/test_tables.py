"""Tables, packed files, text and objects as inputs: each row answers for itself."""

import bz2
import gzip
import io
import lzma

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ase.io import write as ase_write

from andersonn.errors import InputError
from andersonn.structures.readers import Columns, Smiles, find_files, listed, read_each, sources, structures_of
from andersonn.structures.readers.content import left_out, unpacked_content
from andersonn.structures.readers.inputs import from_lines
from andersonn.structures.readers.tables.columns import Roles
from andersonn.structures.readers.tables.delimited import LONGEST_RECORD, Layout, records


def asked(inputs, columns=Columns()):
    """(name, id or kind of error, number of atoms) of all that inputs hold."""
    found = []
    for name, source in sources(listed(inputs), columns):
        try:
            made = structures_of(name, source)
        except InputError as error:
            made = [error]
        found += [(name, getattr(m, "kind", None) or m.id, 0 if isinstance(m, InputError) else len(m)) for m in made]
    return found


ETHANOL = [("ethanol", 9), ("water", 3)]
SAME = {
    "comma": "smiles,name\nCCO,ethanol\nO,water\n",
    "semicolon": "Name;SMILES\nethanol;CCO\nwater;O\n",
    "tabs": "Canonical SMILES\tCompound ID\tx\nCCO\tethanol\t1\nO\twater\t2\n",
    "bars": "ID|isomeric_smiles\nethanol|CCO\nwater|O\n",
    "a mark of UTF-8": "\ufeffsmiles,name\nCCO,ethanol\nO,water\n",
    "quotes": '"smiles","name"\n"CCO","ethanol"\n"O","water"\n',
    "old line ends": "smiles,name\rCCO,ethanol\rO,water\r",
    "Windows": "smiles,name\r\nCCO,ethanol\r\nO,water\r\n",
    "empty rows and fields": "smiles,name,x\n\nCCO,ethanol,,,\n,,\nO,water\n\n",
    "a quoted line end": 'smiles,note,name\nCCO,"two\nlines, and ""quotes""",ethanol\nO,x,water\n',
    "a stray quote": 'smiles,note,name\nCCO,5" pipe,ethanol\nO,x,water\n',
    "the best of several": "scaffold_smiles,canonical_smiles,name\nC,CCO,ethanol\nC,O,water\n",
    "other names": "Drug_ID,Drug,Y\nethanol,CCO,1\nwater,O,2\n",
    "a column mol": "mol,CID\nCCO,ethanol\nO,water\n",
}


@pytest.mark.parametrize("case", SAME)
def test_tables_of_smiles(case, put):
    found = asked([put("lib.csv", SAME[case])])
    assert [row[1:] for row in found] == ETHANOL, found
    assert all(name.startswith(str(put("lib.csv", SAME[case])) + ":") for name, _, _ in found)
    assert [(s.id, len(s)) for s in read_each(put("lib.csv", SAME[case]))] == ETHANOL


def test_a_code_of_windows_and_utf16(put):
    assert asked(put("a.csv", "smiles,name\nCCO,éthanol\n".encode("cp1252")))[0][1] == "éthanol"
    assert asked(put("a.tsv", "smiles\tname\nCCO\téthanol\n".encode("utf-16")))[0][1] == "éthanol"


def test_bad_rows_cost_themselves(put):
    path = put("lib.csv", 'smiles,name\nCCO,ethanol\nC(,bad\n,none\nC,a,b,c\n"C,open\nO,water\n')
    found = asked([path])
    assert [(name.rpartition(":")[2], what) for name, what, _ in found] == [
        ("2", "ethanol"), ("3", "bad_smiles"), ("4", "bad_row"), ("5", "bad_row"), ("6", "bad_row"), ("7", "water"),
    ] or [what for _, what, _ in found[:4]] == ["ethanol", "bad_smiles", "bad_row", "bad_row"]  # fmt: skip
    assert found[-1][1:] == ("water", 3)


def test_columns_that_are_named(put):
    path = put("lib.csv", "name,stuff,other\nethanol,CCO,x\nwater,O,y\n")
    (name, kind, _), = asked([path])  # fmt: skip
    assert kind == "missing_column"
    with pytest.raises(InputError, match="'name', 'stuff', 'other'.*--smiles-column 'stuff'"):
        read_each(path)
    assert [row[1:] for row in asked([path], Columns(smiles="stuff"))] == ETHANOL
    assert [row[1:] for row in asked([path], Columns(smiles="Stuff"))] == ETHANOL
    assert asked([path], Columns(smiles="no"))[0][1] == "missing_column"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("smiles,SMILES\nC,CC\n", "bad_columns"), ("smiles_1,smiles_2\nC,CC\n", "bad_columns"), ("CCO,ethanol\nO,water\n", "missing_column"),
        ("a,b\n1,2\n", "missing_column"), ("\n \n", "empty_file"), ("smiles\n", "no_atoms"), ("sep=;\nsmiles;x\nC;1\n", "bad_table"),
        ("compound,y\nethanol,1\nbenzene,2\n", "missing_column"),
    ],
)  # fmt: skip
def test_tables_without_a_column_are_refused(text, kind, put):
    assert [row[1] for row in asked([put("lib.csv", text)])] == [kind]


def test_files_that_a_table_names(put, atoms, tmp_path):
    (tmp_path / "cifs").mkdir()
    ase_write(tmp_path / "cifs/NaCl.cif", atoms["NaCl"])
    put("cifs/packed.cif.gz", gzip.compress((tmp_path / "cifs/NaCl.cif").read_bytes()))
    path = put(
        "lib.csv",
        "id,cif_file\nsalt,cifs/NaCl.cif\npacked,cifs/packed.cif.gz\nnone,cifs/x.cif\nitself,lib.csv\nnet,//host/x.cif\n",
    )
    assert [row[1] for row in asked([path])] == ["salt", "packed", "missing_file", "unknown_format", "missing_file"]
    assert asked([path])[0][2] == 2
    renamed = put("other.csv", "key,where\na,cifs/NaCl.cif\n")
    assert asked([renamed], Columns(path="where"))[0][1] == "NaCl"
    assert [item.kind for item in read_each(path)] == [
        "missing_file"
    ] * 5  # what is not asked by name names no other files


def test_parquet(put, tmp_path):
    pq.write_table(
        pa.table({"SMILES": ["CCO", None, "O"], "Name": ["ethanol", "none", "water"]}), tmp_path / "a.parquet"
    )
    assert [row[1] for row in asked([tmp_path / "a.parquet"])] == ["ethanol", "bad_row", "water"]
    put("b.parquet", b"no parquet")
    assert asked([tmp_path / "b.parquet"])[0][1] == "bad_parquet"


def test_excel(tmp_path, monkeypatch):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (["SMILES", "Name"], ["CCO", "ethanol"], [None, None], ["O", "water"]):
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    assert [row[1:] for row in asked([tmp_path / "a.xlsx"])] == ETHANOL


def test_excel_without_its_package(put, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "openpyxl", None)
    with pytest.raises(InputError, match="openpyxl"):
        read_each(put("a.xlsx", b"PK\x03\x04"))


@pytest.mark.parametrize(("ending", "pack"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)])
def test_packed_files(ending, pack, put, atoms, tmp_path):
    stream = io.StringIO()
    ase_write(stream, atoms["NaCl"], format="vasp")
    assert [len(s) for s in read_each(put(f"POSCAR.{ending}", pack(stream.getvalue().encode())))] == [2]
    assert [s.id for s in read_each(put(f"m.smi.{ending}", pack(b"CCO ethanol\n")))] == ["m"]
    assert asked([put(f"lib.csv.{ending}", pack(SAME["comma"].encode()))])[0][1:] == ETHANOL[0]
    assert [s.id for s in read_each(put("hidden.smi", pack(b"CCO\nO\n")))] == [
        "hidden:CCO",
        "hidden:O",
    ]  # told by its bytes
    assert {p.name for p in find_files(tmp_path)} == {f"POSCAR.{ending}", f"m.smi.{ending}", "hidden.smi"}  # no table
    for content in (pack(b"C" * 1000)[:-12], pack(b"C\n")[:12]):
        with pytest.raises(InputError, match="cannot read"):
            read_each(put(f"cut.smi.{ending}", content))
    with pytest.raises(InputError, match="more than 1 MB when unpacked"):
        unpacked_content(pack(b"0" * 1_000_001), "bomb", 1)


@pytest.mark.parametrize("content", [b"PK\x03\x04...", b"\x28\xb5\x2f\xfd...", b"\x1f\x9d..."])
def test_other_packings_are_named(content, put):
    with pytest.raises(InputError, match="unpack|andersonn screen"):
        read_each(put("a.cif.gz", content))


def test_a_folder_of_tables_names_them(put, tmp_path):
    put("lib.csv", SAME["comma"])
    (_, kind, _), = asked([str(tmp_path)])  # fmt: skip
    assert kind == "directory"
    with pytest.raises(InputError, match="holds no structure file") as caught:
        find_files(tmp_path)
    assert "lib.csv" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "id"),
    [
        ("CCO ethanol", "ethanol"), ("CCO\tethanol\t5.2", "ethanol"), ("CCO,ethanol", "ethanol"), ("CCO", "CCO"),
        ('"CCO" "ethanol"', "ethanol"), ("CCO |(0,0,;1,0,;2,0,)| drawn", "drawn"), ("C[C@H](F)Cl |o1:1| name one", "name one"),
        ("[CH2]C |^1:0| ethyl", "ethyl"), (Smiles("CCO ethanol"), "ethanol"),
    ],
)  # fmt: skip
def test_smiles_with_a_name(text, id):
    ((_, found, _),) = asked(text)
    assert found == id


@pytest.mark.parametrize("text", ["CC |^1:0|", "CCO |Sg:n:1:2-5:ht|", "CCO |" + "w" * 3000 + "^|"])
def test_extensions_that_change_the_molecule_are_refused(text):
    assert asked([text])[0][1] == "bad_smiles"


def test_lists_of_smiles_with_column_names(put):
    for text in (
        "smiles,name\nCCO,ethanol\nO,water\n",
        "Name\tSMILES\nethanol\tCCO\nwater\tO\n",
        "canonical_smiles id\nCCO ethanol\nO water\n",
    ):
        assert [(s.id, len(s)) for s in read_each(put("l.smi", text))] == [("l:ethanol", 9), ("l:water", 3)]
        assert [len(s) for s in read_each(put("l.txt", text))] == [9, 3]


XYZ = "3\nx\nO 0 0 0.1173\nH 0 0.7572 -0.4692\nH 0 -0.7572 -0.4692\n"


@pytest.mark.parametrize(
    ("thing", "kinds"),
    [
        (XYZ, [("text", 3)]), (XYZ.encode(), [("text", 3)]), (gzip.compress(XYZ.encode(), mtime=0), [("text", 3)]), ([XYZ, "C"], [("text", 3), ("C", 5)]),
        ("CCO ethanol\nO water", [("text:ethanol", 9), ("text:water", 3)]), (SAME["comma"], ETHANOL), ("hello, world!\nagain", ["unknown_format"]),
        ({"smiles": "CCO", "name": "ethanol"}, [("ethanol", 9)]), ([{"smiles": "CCO"}, {"SMILES": "O"}], [("CCO", 9), ("O", 3)]),
        ({"smiles": ["CCO", "O"], "name": ["ethanol", "water"]}, ETHANOL), ({"ethanol": "CCO"}, ["missing_column"]), ({}, ["missing_column"]),
        ({"atomic_numbers": [8, 1, 1], "positions": [[0, 0, 0.1173], [0, 0.7572, -0.4692], [0, -0.7572, -0.4692]], "cell": None}, [("input 1", 3)]),
        ({"structure": XYZ, "id": "w"}, [("w", 3)]), (np.eye(3), ["unknown_object"]), (np.array(["CCO", "O"]), [("CCO", 9), ("O", 3)]),
        ([None, float("nan"), "C"], ["unknown_object", "unknown_object", ("C", 5)]), (pa.table({"smiles": ["CCO", "O"], "name": ["ethanol", "water"]}), ETHANOL),
        (pa.table({"a": ["x"], "b": [1.0]}), ["missing_column"]), (3, ["unknown_object"]), (b"x.cif", ["unknown_object"]),
    ],
)  # fmt: skip
def test_what_python_hands_over(thing, kinds):
    found = asked(thing)
    assert [row[1:] if row[2] else row[1] for row in found] == kinds


class Frame:
    """What is used of a pandas DataFrame."""

    def __init__(self, **columns):
        self.columns, self._values = list(columns), list(zip(*columns.values(), strict=True))
        self.index = range(10, 10 + len(self._values))

    def __iter__(self):
        return iter(self.columns)

    def itertuples(self, index, name):
        return iter(self._values)


def test_data_frames(atoms):
    assert asked(Frame(SMILES=["CCO", "O"], name=["ethanol", "water"])) == [
        ("row 10", *ETHANOL[0]),
        ("row 11", *ETHANOL[1]),
    ]
    assert asked(Frame(structure=[atoms["NaCl"], float("nan")], id=["salt", "none"])) == [
        ("row 10", "salt", 2),
        ("row 11", "bad_row", 0),
    ]
    assert asked(Frame(structure=[atoms["NaCl"]])) == [("row 10", "row 10", 2)]
    ((_, kind, _),) = asked(Frame(C=["x"], N=["y"]))  # names of columns that are SMILES
    assert kind == "missing_column"


def test_lines_on_stdin():
    def given(text, columns=Columns()):
        return [row[1:] for row in asked(from_lines(io.StringIO(text), columns), columns)]

    assert given("CCO ethanol\n\nO\twater\n") == ETHANOL
    for text in SAME.values():
        if "mol," not in text and "Drug" not in text and "\r" not in text:
            assert given(text) == ETHANOL
    assert given("SMILES Name\nCCO ethanol\nO water\n") == ETHANOL
    assert given("ligand,name\nCCO,ethanol\nO,water\n", Columns(smiles="ligand")) == ETHANOL
    assert given("") == []
    assert [row[1] for row in asked(from_lines(io.StringIO("none/smiles.cif\nmy_list.smiles\n"), Columns()))] == [
        "missing_file"
    ] * 2


def test_records_are_joined_as_csv_has_it():
    lines = 'a,"b\nc",d\ne,5" f\n"g""h\n",i\n'.splitlines(keepends=True)
    assert list(records(lines, ",")) == ['a,"b\nc",d\n', 'e,5" f\n', '"g""h\n",i\n']
    endless = ['x,"open\n', *["y,z\n"] * (LONGEST_RECORD // 4), "last,row\n"]
    found = list(records(endless, ","))
    assert found == endless


@pytest.mark.parametrize("names", [("smiles", "name"), ("a,b", "c;d", "e")])
def test_layouts_are_kept_as_text(names):
    layout = Layout(names, ";")
    assert Layout.from_text(layout.as_text()) == layout


def test_roles():
    assert Roles.of(["file", "smiles", "id"]) == Roles(smiles=1, id=2)
    assert Roles.of(["filename", "gap"]) == Roles(path=0)
    assert Roles.of(["atomic_numbers", "positions", "cell"]).atoms == (0, 1, 2)
    with pytest.raises(InputError):
        Roles.of(["smiles", "file"], Columns("smiles", "file"))


SALT = (
    "data_a\n_cell_length_a 5.64\n_cell_length_b 5.64\n_cell_length_c 5.64\n_cell_angle_alpha 90\n_cell_angle_beta 90\n"
    "_cell_angle_gamma 90\n_symmetry_space_group_name_H-M 'F m -3 m'\nloop_\n_atom_site_label\n_atom_site_type_symbol\n"
    "_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\nNa1 Na 0 0 0\nCl1 Cl 0.5 0.5 0.5\n"
)
WATER = "3\nx\nO 0 0 0.1173\nH 0 0.7572 -0.4692\nH 0 -0.7572 -0.4692\n"


@pytest.mark.parametrize("column", ["cif", "cif_string", "structure", "path", "CIF text"])
def test_a_column_holds_the_text_of_files(column, put):
    table = f'material_id,{column}\nmp-1,"{SALT}"\nmp-2,salt.cif\nmp-3,"{WATER}"\n'
    put("salt.cif", SALT)
    assert [row[1:] for row in asked([put("mp.csv", table)])] == [("mp-1", 8), ("mp-2", 8), ("mp-3", 3)]
    texts = {"material_id": ["mp-1"], column: [SALT]}
    for thing in (
        texts,
        {"material_id": "mp-1", column: SALT},
        pa.table(texts),
        [{"material_id": "mp-1", column: SALT}],
    ):
        assert [row[1:] for row in asked(thing)] == [("mp-1", 8)]
    assert asked([put("bad.csv", f'material_id,{column}\na,"{SALT}"\nb,"data_b\n_cell_length_a 5\n"\n')])[0][2] == 8


def test_a_column_of_names_alone_is_one_of_files(put):
    put("salt.cif", SALT)
    assert [row[1:] for row in asked([put("a.csv", "id,structure\na,salt.cif\n")])] == [("a", 8)]
    assert [row[1:] for row in asked({"xyz": [WATER, WATER], "id": ["a", "b"]})] == [("a", 3), ("b", 3)]


@pytest.mark.parametrize("text", ["CCO,CCC", "CCO;CCC", '"CCO",CCC', "CCO, CCC", "CCO,CCC\nO,water\n"])
def test_a_second_molecule_in_place_of_a_name_is_told(text, put):
    (name, source), *_ = sources([put("list.smi", text)])
    first = structures_of(name, source)[0]
    assert len(first) == 9
    assert any("'CCC'" in told and "taken for the name" in told for told in first.warnings)


@pytest.mark.parametrize("text", ["CCO,CCC", "CCO;CCC", '"CCO",CCC', "CCO, CCC", Smiles("CCO,CCC")])
def test_one_text_of_two_molecules_is_refused(text):
    ((name, source),) = sources([text])
    with pytest.raises(InputError, match="'CCO' and 'CCC'") as caught:
        structures_of(name, source)
    assert caught.value.kind == "several"


@pytest.mark.parametrize("text", ["CCO,ethanol", "CCO,OCC", "CCO,1.5", "CCO CO", "CCO 2,3-x", "CCO", "OC(=O)C,CH3COOH"])
def test_names_are_names(text):
    (name, source), *_ = sources([text])
    assert structures_of(name, source)[0].warnings == ()


def test_long_text_of_a_structure_in_a_field(put):
    long = SALT + "# a remark\n" * 20_000
    assert 3 * (1 << 16) < len(long) < LONGEST_RECORD
    assert asked([put("a.csv", f'id,cif_string\na,"{long}"\nb,"{SALT}"\n')])[0][1:] == ("a", 8)


@pytest.mark.parametrize(
    "text", ['id,smiles\n"a,CCO\nb,CCC\n', 'smiles,id\n"CCO,a\nCCC,b\n', 'id,smiles\na,"CCO\nb,CCC\n']
)
def test_a_quote_that_is_not_closed_is_named(text, put):
    (name, source), *rest = sources([put("a.csv", text)])
    with pytest.raises(InputError, match="a double quote is not closed"):
        structures_of(name, source)
    assert [len(structures_of(*item)[0]) for item in rest] == [11]
    ((name, source),) = sources([put("b.csv", text.replace("\n", '\n"', 1) if text[0] == '"' else '"' + text)])
    with pytest.raises(InputError, match="a double quote is not closed"):
        structures_of(name, source)


@pytest.mark.parametrize(
    ("first", "told"), [(b"\x1f\x8b\x08\x08ab\n", "packed"), (b"BZh91AY&SYx\n", "packed"), (b"data_x\n", "CIF")]
)
def test_files_instead_of_a_list_on_stdin(first, told):
    lines = io.StringIO(first.decode("utf-8", "surrogateescape") + "more\n")
    ((name, source),) = sources(from_lines(lines, Columns()))
    with pytest.raises(InputError, match=told):
        structures_of(name, source)


def test_what_is_left_out_of_a_folder_is_counted(tmp_path):
    for name in ("a.cif", "b.xyz.gz", "c.txt", "d.txt", "e.png", "README", ".hidden"):
        (tmp_path / name).write_text("x")
    assert left_out(tmp_path).endswith(": 2 .txt, 1 no ending, 1 .png")
    for k in range(7):
        (tmp_path / f"x.e{k}").write_text("x")
    assert left_out(tmp_path).endswith("5 others")
    (tmp_path / "sound").mkdir()
    (tmp_path / "sound/a.cif").write_text("x")
    assert left_out(tmp_path / "sound") == ""
