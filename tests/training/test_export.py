"""An exported folder is one a hub takes: metadata that parse, files that load again, nothing that leads nowhere."""

import json
import re
from pathlib import Path

import pytest

from andersonn import EquilibriumClassifier, Scientist, scientists
from andersonn.errors import UsageError
from andersonn.scientists.registry import registered

ROOT = Path(__file__).parents[2]
QUESTIONS = {"conduction": ROOT / "examples/structures/NaCl.cif", "polarity": "CCO"}


def front_matter(folder: Path) -> dict:
    """Metadata of a README: each value is JSON, which is YAML too."""
    _, head, _ = (folder / "README.md").read_text().split("---\n", 2)
    return {name: json.loads(value) for name, value in (line.split(": ", 1) for line in head.splitlines())}


@pytest.mark.parametrize("task", registered())
def test_an_exported_scientist(task, tmp_path):
    scientist = Scientist.load(task)
    scientist.export(tmp_path / "new")
    written = {path.name for path in (tmp_path / "new").iterdir()}
    assert written >= {"README.md", "LICENSE", "model.json", "model.safetensors", "domain.safetensors"}
    again = Scientist.load(tmp_path / "new")
    if task in QUESTIONS:
        first, second = (s.predict(QUESTIONS[task])[0].as_dict() for s in (scientist, again))
        assert first | {"model": ""} == second | {"model": ""}
    metadata = front_matter(tmp_path / "new")
    assert metadata["license"] == "mit"
    (result,) = metadata["model-index"][0]["results"]
    test = scientist.bundle.provenance["metrics"]["test"]
    assert {m["type"]: m["value"] for m in result["metrics"]}["accuracy"] == round(test["accuracy"], 4)
    page = (tmp_path / "new" / "README.md").read_text()
    assert not re.search(r"\]\((?!https?:)", page)
    assert f"# Model card: {task}" in page
    assert "Scientist.load(" in page
    yaml = pytest.importorskip("yaml")
    assert yaml.safe_load(page.split("---\n")[1]) == metadata


def test_a_folder_with_a_model_is_left_alone(tmp_path):
    scientist = Scientist.load("conduction")
    scientist.export(tmp_path, licence="cc-by-4.0")
    assert front_matter(tmp_path)["license"] == "cc-by-4.0"
    assert not (tmp_path / "LICENSE").exists()
    with pytest.raises(UsageError, match="already holds a model"):
        scientist.export(tmp_path)


def test_a_model_without_a_test_says_so(demo_sample, tmp_path):
    part = demo_sample.take(range(0, len(demo_sample), 60))
    fitted = EquilibriumClassifier("conduction", epochs=1, width=8, columns=6, device="cpu")
    fitted.fit(list(part), part.label("band_gap_eV")).scientist().export(tmp_path)
    page = (tmp_path / "README.md").read_text()
    assert "**Not\ntested**" in page
    assert "model-index" not in front_matter(tmp_path)
    assert Scientist.load(tmp_path).predict(list(part)[:1])[0].ok


def test_the_licence_is_that_of_the_repository():
    shipped = Path(scientists.__file__).parent / "licence.txt"
    assert shipped.read_text() == (ROOT / "LICENSE").read_text()
