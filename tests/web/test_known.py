"""Known substances: found by name and composition, and beside answers."""

from __future__ import annotations

import pytest

from andersonn.errors import UsageError
from andersonn.structures.readers import from_smiles, read_file
from andersonn.web import known
from tests.web.conftest import EXAMPLES


@pytest.mark.parametrize(
    ("query", "name", "formula"),
    [
        ("paracetamol", "paracetamol", "C8H9NO2"), (" Aspirin ", "aspirin", "C9H8O4"), ("water", "water", "H2O"),
        ("mp-22862", "mp-22862", "NaCl"), ("NaCl", "mp-22862", "NaCl"), ("Cl4Na4", "mp-22862", "NaCl"),
    ],
)  # fmt: skip
def test_substances_are_found(query, name, formula):
    first = known.find(query)[0]
    assert (first.name, first.formula) == (name, formula)
    assert first.value is not None


@pytest.mark.parametrize("query", ["", "  ", "no such thing", "Xx2", "C" * 150])
def test_what_is_not_known_is_not_found(query):
    assert known.find(query) == []


def test_all_sets_of_the_package_are_known():
    there = {path.relative_to(known.PACKAGE).as_posix() for path in known.PACKAGE.glob("data/sets/*.parquet")}
    assert there == {known_set.file for known_set in known.SETS} - {"demo/crystals.parquet"}


def test_what_has_no_name_is_found_by_its_smiles_and_its_formula():
    iodine = known.find("FI")[0]
    assert (iodine.name, iodine.formula) == ("FI", "FI")
    assert iodine.value == pytest.approx(1.757, abs=1e-3)
    assert "[GeH4]" in [substance.name for substance in known.find("GeH4")]
    assert all("ch" in substance.name.lower() for substance in known.find("ch"))
    assert known.similar(from_smiles("FI"), "dipole_D", "FI")[0]["same"]


def test_few_are_given_and_those_with_values_first():
    found = known.find("chloro")
    assert len(found) == known.MOST_FOUND
    assert [substance.value is None for substance in found] == sorted(substance.value is None for substance in found)


def test_a_composition_is_told_from_a_name():
    assert known.parsed("SiO2") == known.parsed("O4Si2") == {("Si", round(1 / 3, 9)), ("O", round(2 / 3, 9))}
    assert known.parsed("water") is None
    assert known.parsed("") is None


def test_the_same_substance_stands_first():
    quartz = read_file(EXAMPLES / "structures/quartz.cif")[0]
    rows = known.similar(quartz, "band_gap_eV", None)
    assert [row["formula"] for row in rows[:3]] == ["SiO2"] * 3
    assert [row["same"] for row in rows] == [True] * 3 + [False] * 2
    assert all(5.0 < row["value"] < 6.0 for row in rows[:3])
    for smiles in ("CC(=O)Nc1ccc(O)cc1", "c1cc(O)ccc1NC(C)=O"):
        rows = known.similar(from_smiles(smiles), "dipole_D", smiles)
        assert (rows[0]["name"], rows[0]["same"]) == ("paracetamol", True)
        similarities = [row["similarity"] for row in rows]
        assert similarities == sorted(similarities, reverse=True)


def test_nothing_is_like_what_has_no_reference_values():
    quartz = read_file(EXAMPLES / "structures/quartz.cif")[0]
    assert known.similar(quartz, "pore_width_A", None) == []
    assert known.similar(from_smiles("C"), "band_gap_eV", "C") == []
    assert known.similar(from_smiles("C"), "dipole_D", None) == []


def test_a_known_crystal_is_a_structure():
    assert known.crystal("mp-22862").formula == "NaCl"
    for name in ("mp-0", "water"):
        with pytest.raises(UsageError, match="no known crystal"):
            known.crystal(name)


def test_known_substances_over_the_api(server):
    found = server.client.get("/api/known", params={"q": "NaCl"}).json()["found"]
    assert found[0]["name"] == "mp-22862"
    text = server.client.get(f"/api/known/{found[0]['name']}").json()
    answer = server.send(text["name"], text["text"].encode())
    assert answer.json()["answers"][0]["formula"] == "NaCl"
    assert server.client.get("/api/known/nothing").status_code == 404
    assert server.client.get("/api/known").status_code == 422
    assert server.client.get("/api/known", params={"q": "x" * 201}).status_code == 422


def test_a_look_names_known_substances(server):
    found = server.ask("inspect", "polarity", smiles="CCO").json()
    assert (found["known"][0]["name"], found["known"][0]["same"]) == ("ethanol", True)
    found = server.ask("inspect", "porosity", EXAMPLES / "structures/quartz.cif").json()
    assert found["known"] == []
