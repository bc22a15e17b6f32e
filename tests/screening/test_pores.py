"""Screening where the geometry of pores answers: the same answers as elsewhere, under the same options."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from andersonn import Scientist
from andersonn.errors import UsageError
from andersonn.inference.by_geometry import PoreQuestion
from andersonn.scientists.porosity import SCIENTIST
from andersonn.scientists.registry import weights_folder
from andersonn.screening import Screening, Settings
from andersonn.screening.worker import scientist_of

FRAMEWORKS = Path(__file__).parents[2] / "examples/frameworks"


@pytest.fixture(scope="module")
def porosity() -> Scientist:
    return Scientist.load("porosity")


def rows_of(out: Path) -> list[dict]:
    return [row for shard in sorted((out / "shards").iterdir()) for row in pq.read_table(shard).to_pylist()]


def test_the_results_are_those_of_predict(porosity, tmp_path, in_this_process):
    asked = porosity.about_pores(PoreQuestion.of(SCIENTIST, convention="zeo++-default", radii={"O": 1.4}))
    settings = Settings.of(asked, where="pore_lcd_A > 3 and network_class == 'ultramicroporous'")
    manifest = Screening(settings, str(FRAMEWORKS), tmp_path / "o").run()
    found = {row["input"]: row for row in rows_of(tmp_path / "o")}
    answers = {Path(answer.input).name: answer for answer in asked.predict([FRAMEWORKS])}
    assert list(found) == ["zinc-ultramicroporous.cif"]
    assert manifest["classes"] == dict.fromkeys(asked.task.classes, 0) | {
        answer.label: sum(other.label == answer.label for other in answers.values()) for answer in answers.values()
    }
    for name, row in found.items():
        answer = answers[name]
        assert (row["class"], row["network_class"]) == (answer.label, answer.network["class"])
        assert row["pore_width_A"] == pytest.approx(answer.value, rel=1e-5)
        for attribute in ("pld_A", "lcd_A", "channel_dimensions", "accessible_surface_m2_g", "void_fraction"):
            assert row[f"pore_{attribute}"] == pytest.approx(answer.pores[attribute], rel=1e-5)
        assert row["network_pld_A"] == pytest.approx(answer.network["estimate"]["value"], rel=1e-3)
    assert manifest["options"]["radii"] == {"O": 1.4}


def test_a_run_is_gone_on_with_under_the_same_options_only(porosity, tmp_path, in_this_process):
    screening = Screening(Settings.of(porosity), str(FRAMEWORKS), tmp_path / "o")
    before = screening.run()
    assert screening.run() == before
    other = porosity.about_pores(PoreQuestion.of(SCIENTIST, classes="pld", clean=True))
    with pytest.raises(UsageError, match=r"quantity was pore_width_A, is pld_A; .*clean was False, is True"):
        replace(screening, settings=Settings.of(other)).run()


def test_questions_reach_workers_as_json(porosity):
    question = PoreQuestion.of(SCIENTIST, "pld", radii={"Zn": 1.2}, strip_guests=True).cut((3.0, 8.0))
    settings = Settings.of(porosity.about_pores(question))
    sent = json.loads(json.dumps(vars(settings)))
    assert scientist_of(Settings(**sent)).pores == question


def test_a_folder_answers_by_its_network(tmp_path, in_this_process):
    own = Scientist.load(weights_folder("porosity"))
    Screening(Settings.of(own), str(FRAMEWORKS), tmp_path / "o").run()
    for row in rows_of(tmp_path / "o"):
        assert "pld_A" in row
        assert "pore_pld_A" not in row


def test_a_run_is_gone_on_with_at_the_same_thresholds_only(tmp_path, in_this_process):
    moved = Scientist.load("polarity").with_thresholds((1.0,))
    (library := tmp_path / "two.smi").write_text("CCO\nCC\n")
    screening = Screening(Settings.of(moved), str(library), tmp_path / "o")
    manifest = screening.run()
    assert manifest["options"]["thresholds"] == [1.0]
    assert manifest["classes"] == {"weakly_polar": 1, "strongly_polar": 1}
    assert screening.run() == manifest
    with pytest.raises(UsageError, match=r"thresholds was \[1\.0\], is None"):
        replace(screening, settings=Settings.of(Scientist.load("polarity"))).run()
