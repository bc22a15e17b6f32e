import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from andersonn.config import TrainConfig
from andersonn.errors import UsageError
from andersonn.inference.fitted import Calibration
from andersonn.inference.model_bundle import ModelBundle
from andersonn.models import EquilibriumNetwork
from andersonn.scientists.conduction import CONDUCTION

PROVENANCE = {
    "data": {"file": "x.parquet"}, "elements": {"Si": 20}, "largest_image_rows": 9, "majority_class": "metal"
}  # fmt: skip
CONFIG = TrainConfig.make(overrides=["model.width=8", "radial=8"])


@pytest.fixture
def folder(tmp_path):
    """A folder with an untrained model."""
    network = EquilibriumNetwork(CONFIG.model, 3)
    ModelBundle(network, CONDUCTION, CONFIG, Calibration(2.0, 1.1, 0.1, True), PROVENANCE).save(tmp_path / "m")
    return tmp_path / "m"


def change(folder, **values):
    """Changes entries of the card; None takes one away."""
    card = json.loads((folder / "model.json").read_text()) | values
    (folder / "model.json").write_text(json.dumps({k: v for k, v in card.items() if v is not None}))


def refused(folder) -> str:
    """The message with which the model is refused."""
    with pytest.raises(UsageError) as caught:
        ModelBundle.load(folder)
    assert caught.value.kind == "bad_model"
    assert repr(str(folder)) in caught.value.message
    assert caught.value.hint
    return caught.value.message


def test_a_sound_folder_is_read(folder):
    found = ModelBundle.load(folder)
    assert (found.task, found.config, found.provenance) == (CONDUCTION, CONFIG, PROVENANCE)
    assert found.calibration == Calibration(2.0, 1.1, 0.1, True)
    change(folder, thresholds=[0, 2.5])
    assert ModelBundle.load(folder).task == CONDUCTION.with_thresholds((0.0, 2.5))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"task": ["conduction"]}, "damaged"),
        ({"task": None}, "model.json has no task"),
        ({"thresholds": ["a", "b"]}, "thresholds"),
        ({"thresholds": "03"}, "thresholds"),
        ({"thresholds": [0, float("inf")]}, "thresholds"),
        ({"thresholds": [0.0]}, "2 rising thresholds"),
        ({"classes": ["a", "b", "c"]}, "classes"),
        ({"classes": 5}, "classes"),
        ({"quantity": "pld_A"}, "quantity"),
        ({"calibration": 3}, "calibration"),
        ({"calibration": {"temperature": 1.0}}, "calibration"),
        ({"elements": ["Si"]}, "elements"),
        ({"elements": {"Si": "many"}}, "elements"),
        ({"data": []}, "data"),
        ({"largest_image_rows": "9"}, "largest_image_rows"),
        ({"majority_class": "wood"}, "majority_class"),
        ({"config": [1]}, "options"),
        ({"config": {"width": 3}}, "no option"),
        ({"config": {"model": {"width": 16}}}, "damaged"),
    ],
)
def test_damaged_cards(folder, values, reason):
    change(folder, **values)
    assert reason in refused(folder)


@pytest.mark.parametrize(
    ("name", "value"), [("temperature", "x"), ("temperature", 0), ("scale", -1.0), ("scale", None), ("margin", True)]
)
def test_damaged_calibrations(folder, name, value):
    change(folder, calibration={"scale": 1.0, "temperature": 1.0, "margin": 0.1, "fitted": True, name: value})
    assert f"calibration has {name}" in refused(folder)


def test_damaged_weights(folder):
    path = folder / "model.safetensors"
    weights = load_file(path)
    save_file(weights | {"attention.bias": torch.tensor([float("nan")])}, path)
    assert "not finite numbers in attention.bias" in refused(folder)
    save_file({"attention.bias": weights["attention.bias"]}, path)
    refused(folder)
    path.write_bytes(b"broken")
    refused(folder)
    path.unlink()
    path.mkdir()
    refused(folder)


def test_missing_files(folder, tmp_path):
    (folder / "model.safetensors").unlink()
    with pytest.raises(UsageError, match=r"model\.safetensors"):
        ModelBundle.load(folder)
    with pytest.raises(UsageError, match="folder that train wrote"):
        ModelBundle.load(tmp_path / "none")


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_an_absent_gpu_is_told(folder):
    with pytest.raises(UsageError, match="no CUDA"):
        ModelBundle.load(folder, "cuda")


def test_weights_that_fit_into_half_precision_are_kept_in_it_exactly(folder, tmp_path):
    sound = ModelBundle.load(folder)
    largest = max(load_file(folder / "model.safetensors").values(), key=torch.numel)
    assert largest.dtype == torch.float32
    sound.network.half().float()
    sound.save(tmp_path / "half")
    kept = load_file(tmp_path / "half" / "model.safetensors")
    assert {value.dtype for value in kept.values() if value.is_floating_point()} == {torch.float16}
    again = ModelBundle.load(tmp_path / "half")
    for name, value in sound.weights().items():
        assert again.weights()[name].dtype == value.dtype
        assert torch.equal(again.weights()[name], value)


def test_a_weight_too_large_for_half_precision_keeps_its_room(folder, tmp_path):
    sound = ModelBundle.load(folder)
    sound.network.half().float()
    name, parameter = next(iter(sound.network.named_parameters()))
    with torch.no_grad():
        parameter.view(-1)[0] = 1e6
    sound.save(tmp_path / "wide")
    kept = load_file(tmp_path / "wide" / "model.safetensors")
    assert kept[name].dtype == torch.float32
    assert torch.equal(kept[name].view(-1)[0], torch.tensor(1e6))
