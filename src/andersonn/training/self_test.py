"""Questions with known answers: ``self_test.json`` beside the weights says what they answered when they were made."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

from andersonn.errors import UsageError
from andersonn.inference.model_bundle import WEIGHTS, sha256_of
from andersonn.inference.prediction import Failure, Prediction
from andersonn.inference.predictor import Predictor
from andersonn.io.files import from_json, write_json
from andersonn.structures.readers import Smiles

FILE = "self_test.json"
NAME = re.compile(r"\w[\w.+ -]*")
"""What a case may be called: no path."""
TOLERANCE = 0.02
"""By which a probability may differ, on another processor or with another version of a library; and an estimate of a number alone,
in widths of its interval.
"""
OF_CLASS, OF_NUMBER = {"class", "probabilities"}, {"estimate", "interval90"}


def write_self_test(folder: Path, inputs: dict[str, str]) -> dict[str, Any]:
    """Asks the model in a folder and writes its answers, with the inputs, beside its weights; returns what was written.

    Args:
        folder: of the model.
        inputs: name, such as ``"NaCl.vasp"``, → text of the file; without an ending, the text is SMILES.

    Raises:
        UsageError: an input cannot be answered.
    """
    cases = []
    for (name, text), answer in zip(inputs.items(), _answers(Predictor.load(folder), inputs), strict=True):
        if isinstance(answer, Failure):
            raise UsageError(answer.error["kind"], f"{name}: {answer.error['message']}", answer.error["hint"])
        cases.append({"name": name, "text": text, **_said(answer)})
    content = {"weights": sha256_of(folder / WEIGHTS), "tolerance": TOLERANCE, "cases": cases}
    write_json(folder / FILE, content)
    return content


def _said(answer: Prediction) -> dict[str, Any]:
    """Of an answer, what is compared: of a number alone the estimate and its interval."""
    if not answer.has_class:
        return {"estimate": answer.value, "interval90": list(answer.interval90)}
    said: dict[str, Any] = {"class": answer.label, "probabilities": answer.probabilities}
    return said | ({"estimate": answer.value} if answer.has_estimate else {})


def failures_of(folder: Path) -> tuple[int, list[str]]:
    """How many questions the model in a folder was asked again, and what is wrong with its answers, in words.

    Raises:
        UsageError: there is no model, or none with known answers.
    """
    content = _read(folder)
    if content["weights"] != sha256_of(folder / WEIGHTS):
        return 0, [f"{FILE} was made for other weights"]
    cases = content["cases"]
    answers = _answers(Predictor.load(folder), {case["name"]: case["text"] for case in cases})
    found = [_wrong(case, answer, content["tolerance"]) for case, answer in zip(cases, answers, strict=True)]
    return len(cases), [words for words in found if words]


def _read(folder: Path) -> dict[str, Any]:
    try:
        content = from_json((folder / FILE).read_text(encoding="utf-8"))
        sound = content["weights"] and content["tolerance"] > 0 and content["cases"]
        if not sound or any(not _is_case(case) for case in content["cases"]):
            raise ValueError("it holds no cases")
        odd = [name for case in content["cases"] if not NAME.fullmatch(name := str(case["name"]))]
        if odd:  # it becomes the name of a file
            raise ValueError(f"it has a case named {odd[0]!r}")
    except FileNotFoundError:
        raise UsageError(
            "no_self_test",
            f"{str(folder)!r} has no {FILE}",
            "write one: andersonn.training.self_test.write_self_test(folder, questions)",
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError("bad_model", f"cannot read {FILE} in {str(folder)!r}: {error}", "copy it again") from None
    return content


def _is_case(case: dict[str, Any]) -> bool:
    return {"name", "text"} <= set(case) and any(kind <= set(case) for kind in (OF_CLASS, OF_NUMBER))


def _answers(scientist: Predictor, inputs: dict[str, str]) -> list[Prediction | Failure]:
    """One answer an input, read from files as a user's would be."""
    with tempfile.TemporaryDirectory() as place:
        sources: list[Any] = []
        for name, text in inputs.items():
            if not Path(name).suffix:
                sources.append(Smiles(text))
                continue
            sources.append(Path(place, name))
            sources[-1].write_text(text, encoding="utf-8")
        return list(scientist.predict(sources))


def _wrong(case: dict[str, Any], answer: Prediction | Failure, tolerance: float) -> str:
    """What is wrong with an answer; empty if nothing is."""
    if isinstance(answer, Failure):
        return f"{case['name']}: {answer.error['message']}"
    if not answer.has_class:
        low, high = case["interval90"]
        off = abs(answer.value - case["estimate"])
        return f"{case['name']}: the estimate differs by {off:.3g}" if off > tolerance * (high - low) else ""
    if answer.label != case["class"]:
        return f"{case['name']}: {answer.label}, expected {case['class']}"
    apart = max(abs(answer.probabilities.get(name, -1.0) - p) for name, p in case["probabilities"].items())
    return f"{case['name']}: a probability differs by {apart:.3f}" if apart > tolerance else ""
