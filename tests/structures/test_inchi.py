"""InChI in place of SMILES."""

import pytest
from rdkit import Chem

from andersonn.constructing.understanding import understand
from andersonn.errors import InputError, UsageError
from andersonn.structures.readers import from_smiles
from andersonn.structures.readers.molecules.inchi import smiles_of_inchi
from andersonn.structures.readers.molecules.smiles import constitution, named_smiles, scaffold

ACETAMIDE = "InChI=1S/C2H5NO/c1-2(3)4/h1H3,(H2,3,4)"


def inchi(smiles):
    return Chem.MolToInchi(Chem.MolFromSmiles(smiles))


@pytest.mark.parametrize(
    "smiles",
    ["CC(N)=O", "CNC(C)=O", "O=C1CCCN1", "O=c1cc[nH]c(=O)[nH]1", "CCOc1ccc(NC(C)=O)cc1", "CC(=O)[O-].[Na+]", "C[N+](=O)[O-]",
     "C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O", "C/C=C/C", "C/C=C\\C", "NC(=O)c1ccccc1", "CC(=O)CC(C)=O", "[2H]C", "C[C@H](O)C(N)=O"],
)  # fmt: skip
def test_the_molecule_comes_back(smiles):
    assert smiles_of_inchi(inchi(smiles)) == Chem.CanonSmiles(smiles)


def test_what_is_read_has_the_inchi_it_was_read_from():
    for smiles in ("Oc1ccccn1", "c1ccc2[nH]cnc2c1", "NC(=N)NC", "Cn1c(=O)c2[nH]cnc2n(C)c1=O", "OC(=N)C"):
        assert inchi(smiles_of_inchi(inchi(smiles))) == inchi(smiles)


def test_wherever_smiles_are_read():
    assert from_smiles(ACETAMIDE).formula == from_smiles("CC(N)=O").formula
    assert named_smiles(f"{ACETAMIDE} acetamide") == ("CC(N)=O", "acetamide")
    assert named_smiles(f'"{ACETAMIDE}"\tacetamide') == ("CC(N)=O", "acetamide")
    assert constitution(ACETAMIDE) == scaffold(ACETAMIDE) == "CC(N)=O"


@pytest.mark.parametrize(
    ("text", "told"),
    [("InChI=1S/C2H5xx", "no valid InChI"), ("InChI=1S/", "no valid InChI"), ("InChI=1S/" + "C" * 6000, "too many"),
     ("DLFVBJFMPXGRIB-UHFFFAOYSA-N", "InChIKey")],
)  # fmt: skip
def test_what_is_none(text, told):
    with pytest.raises(InputError, match=told):
        from_smiles(text)


@pytest.mark.parametrize("name", ["InChI", "standard_inchi", "PUBCHEM_IUPAC_INCHI", "text"])
def test_a_column_of_a_table(name):
    rows = [{"name": f"m{n}", name: inchi("C" * n + "C(N)=O"), "InChIKey": "x", "y": n + 0.5} for n in range(1, 21)]
    rows[3][name] = "InChI=1S/nothing"
    found = understand(rows, "y", split="random")
    assert len(found.records) == 19
    assert found.records.table["smiles"].to_pylist()[0] == "CC(N)=O"
    assert list(found.unusable) == ["m4"]
    assert "no valid InChI" in found.unusable["m4"]


def test_keys_alone_are_refused_by_name():
    rows = [{"InChIKey": "DLFVBJFMPXGRIB-UHFFFAOYSA-N", "y": n} for n in range(20)]
    with pytest.raises(UsageError) as refused:
        understand(rows, "y")
    assert "InChIKey: add a column of SMILES or InChI" in refused.value.hint
