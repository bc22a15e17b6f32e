"""Answers by the geometry of pores tested on published diameters, with the network's metrics beside them."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from andersonn import Records, Scientist
from andersonn.cli.verbs import app
from andersonn.inference.by_geometry import PoreQuestion
from andersonn.scientists.porosity import POROSITY, SCIENTIST, WIDTH
from andersonn.structures.pores.geometry import diameters
from andersonn.structures.readers import as_structure
from andersonn.training.evaluate import evaluate
from tests.structures.known_frameworks import framework
from tests.training.test_evaluate import Notes

NAMES = ("SOD", "CHA", "LTA", "MIL-47")
CROWDED = 3
"""Of the records below, the one whose atoms overlap."""


def table(names=NAMES, crowded: bool = False) -> pa.Table:
    """Known frameworks, labelled with what is computed of them; the last one perhaps with an atom twice."""
    structures = [as_structure(framework(name)) for name in names]
    rows = []
    for k, (name, structure) in enumerate(zip(names, structures, strict=True)):
        pld, lcd = diameters(structure, PoreQuestion.of(SCIENTIST).options)
        Z, xyz = structure.Z.tolist(), structure.xyz
        if crowded and k == CROWDED:
            Z, xyz = [*Z, Z[0]], np.vstack([xyz, xyz[:1] + 0.2])
        rows.append(
            {"id": name, "group": name, "atomic_numbers": Z, "positions": xyz.ravel().tolist(),
             "cell": structure.cell.ravel().tolist(), "pld_A": pld, "lcd_A": lcd}
        )  # fmt: skip
    return pa.Table.from_pylist(rows)


@pytest.fixture(scope="module")
def porosity() -> Scientist:
    return Scientist.load("porosity")


@pytest.fixture(scope="module")
def metrics(porosity):
    return evaluate(porosity, Records(table(), "known"), "all", baselines=False)


def test_both_stand_side_by_side(metrics):
    assert (metrics["answered_by"], metrics["convention"], metrics["n"]) == ("geometry", "zeo++-high", len(NAMES))
    assert metrics["classes"] == list(WIDTH.classes)
    assert metrics["accuracy"] == metrics["by_window"]["accuracy"] == 1.0
    assert metrics["mae"] < 0.05
    assert metrics["network"]["classes"] == list(POROSITY.classes)
    assert metrics["network"]["n"] == metrics["by_window"]["n"] == len(NAMES)
    assert json.loads(json.dumps(metrics)) == metrics


def test_the_network_alone_has_the_same_row(metrics, porosity):
    alone = Scientist(porosity.bundle, porosity.name)
    assert evaluate(alone, Records(table(), "known"), "all", baselines=False) == metrics["network"]


def test_other_radii_give_other_diameters(metrics, porosity):
    thick = porosity.about_pores(PoreQuestion.of(SCIENTIST, radii={"O": 2.0}))
    assert evaluate(thick, Records(table(), "known"), "all", baselines=False)["mae"] > metrics["mae"] + 0.3


def test_refused_records_are_counted_and_can_be_cleaned(porosity):
    records = Records(table(crowded=True), "known")
    refused = evaluate(porosity, records, "all", baselines=False)
    assert (refused["n"], refused["left_out"]) == (CROWDED, 1)
    cleaned = evaluate(porosity.about_pores(PoreQuestion.of(SCIENTIST, clean=True)), records, "all", baselines=False)
    assert (cleaned["n"], cleaned["network"]["n"], cleaned["accuracy"]) == (CROWDED + 1, CROWDED, 1.0)


def test_without_cavities_windows_are_tested(porosity):
    notes = Notes()
    found = evaluate(
        porosity, Records(table().drop_columns(["lcd_A"]), "known"), "all", baselines=False, progress=notes
    )
    assert any("lcd_A" in text for text in notes.said)
    assert found["classes"] == list(POROSITY.classes)
    assert found["accuracy"] == 1.0


def test_a_missing_cavity_leaves_its_record_out_of_the_classes_by_width(porosity):
    lacking = table().set_column(6, "lcd_A", [[None, *table()["lcd_A"].to_pylist()[1:]]])
    found = evaluate(porosity, Records(lacking, "known"), "all", baselines=False)
    # A window too narrow for the probe is nonporous whatever the cavity is: only the first may be missing.
    assert found["n"] == len(NAMES) - (table()["pld_A"][0].as_py() >= POROSITY.thresholds[0])


def test_every_file_has_both_rows(tmp_path, capsys):
    for k, names in enumerate((NAMES[:2], NAMES[2:])):
        pq.write_table(table(names), tmp_path / f"part{k}.parquet")
    words = [word for k in range(2) for word in ("--data", str(tmp_path / f"part{k}.parquet"))]
    app(["evaluate", "porosity", *words, "--format", "json", "--side", "all", "--no-baselines"], standalone_mode=False)
    found = json.loads(capsys.readouterr().out)
    assert [part["n"] for part in found["by_file"].values()] == [2, 2]
    assert [part["network"]["n"] for part in found["by_file"].values()] == [2, 2]
    app(
        ["evaluate", "porosity", *words, "--side", "all", "--clean", "--convention", "zeo++-default"],
        standalone_mode=False,
    )
    shown = capsys.readouterr().out
    for words in ("geometry, by pore width", "network, by pore-limiting", "part1.parquet: network", "by zeo++-default"):
        assert words in shown
