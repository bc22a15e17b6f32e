"""How good a constructed scientist is, in a paragraph of plain English, with the better of it and the baselines named."""

from __future__ import annotations

from typing import Any

import numpy as np

from andersonn.sanitize import harmless

RESAMPLES = 500
FEWEST = 10
"""Test rows below which nothing is said about chance."""
LITTLE = 0.03
"""Share of the error below which a change is called small."""
HARDLY = 0.1
"""R² up to which estimates are hardly better than the mean."""


def verdict(content: dict[str, Any]) -> str:
    """One paragraph: the test error, whether a baseline is better, the intervals, and what more data would give.

    Args:
        content: of ``construction.json``; what it lacks is not spoken of.
    """
    if not content.get("test"):
        return "There were no test rows, so nobody has measured how good the model is."
    sentences = [
        *(_quality(content), _beside(content), _calibration(content)),
        *(_more_data(content), _unlike(content)),
    ]
    return harmless(" ".join(sentence for sentence in sentences if sentence))


def ruling(content: dict[str, Any]) -> str:
    """Name of the metric by which models are compared: RMSE for numbers (less is better), balanced accuracy for labels."""
    return "rmse" if content["kind"] == "number" else "balanced_accuracy"


def chosen(content: dict[str, Any]) -> dict[str, Any] | None:
    """The candidate that was chosen."""
    return next((each for each in content.get("candidates") or [] if each.get("chosen")), None)


def best_baseline(content: dict[str, Any]) -> tuple[str, float] | None:
    """Name and test metric of the best baseline that was not itself chosen; None if none was measured."""
    key, winner = ruling(content), chosen(content) or {}
    beside = (content.get("test") or {}).get("beside") or {}
    rows = [(name, row[key]) for name, row in beside.items() if row.get(key) is not None and name != winner.get("name")]
    if not rows:
        return None
    return (min if key == "rmse" else max)(rows, key=lambda row: row[1])


def answered(content: dict[str, Any]) -> list[dict[str, Any]]:
    """The points of the test side that have a true value and an estimate."""
    points = content.get("points") or []
    return [point for point in points if point.get("true") is not None and point.get("estimate") is not None]


def chance(content: dict[str, Any]) -> tuple[float, float] | None:
    """Where the test metric would lie on other test rows of the same number, with 95 % probability, by bootstrap.

    None with fewer than :data:`FEWEST` rows.
    """
    points = answered(content)
    if len(points) < FEWEST:
        return None
    random = np.random.default_rng(0)
    draws = (random.integers(len(points), size=len(points)) for _ in range(RESAMPLES))
    if content["kind"] == "number":
        squares = np.array([(point["estimate"] - point["true"]) ** 2 for point in points])
        found = [np.sqrt(squares[rows].mean()) for rows in draws]
    else:
        _, truth = np.unique([str(point["true"]) for point in points], return_inverse=True)
        right = np.array([point["true"] == point["estimate"] for point in points], dtype=float)
        found = [_balanced(truth[rows], right[rows]) for rows in draws]
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def _balanced(truth: np.ndarray, right: np.ndarray) -> float:
    """Mean over the classes of the share of right answers."""
    counts = np.bincount(truth)
    return float((np.bincount(truth, weights=right)[counts > 0] / counts[counts > 0]).mean())


def short(value: float | None) -> str:
    """A number in three digits."""
    if value is None:
        return "n/a"
    return f"{value:,.0f}" if 999.5 <= abs(value) < 1e7 else f"{value:#.3g}".rstrip(".")


def three(value: float | None) -> str:
    """A number with three decimals, as of metrics between 0 and 1."""
    return "n/a" if value is None else f"{round(value, 3) + 0.0:.3f}"  # + 0.0: no -0.000


def percent(share: float) -> str:
    """A share in percent."""
    return f"{100 * share:.0f} %"


def with_unit(value: float | None, content: dict[str, Any]) -> str:
    """A number in three digits, with the unit of the target if it has one."""
    unit = content.get("unit")
    return f"{short(value)} {unit}" if unit and value is not None else short(value)


def _quality(content: dict[str, Any]) -> str:
    test, target = content["test"], content["target"]
    name = f"The scientist {content['name']}" if content.get("name") else "The scientist"
    by = (content.get("split") or {}).get("by")
    apart = f"that took no part in fitting or choosing{f' (split {how_split(by)})' if by else ''}"
    if content["kind"] == "number":
        more = [
            f"{label} {said(test[key])}"
            for key, label, said in (("mae", "MAE", short), ("r2", "R²", three))
            if test.get(key) is not None
        ]
        rest = f" ({', '.join(more)})" if more else ""
        said = f"{name} estimates {target} with a typical error (RMSE) of {with_unit(test['rmse'], content)}{rest} on {_test_rows(test['n'])} {apart}."
        if (test.get("r2") is not None) and test["r2"] <= HARDLY:
            compared = "worse than" if test["r2"] < 0 else "hardly better than"
            r2 = three(test["r2"]) if test["r2"] > -10 else short(test["r2"])
            said += f" An R² of {r2} means that this is {compared} to answer the mean every time: do not rely on it."
        return said
    more = [
        f"{label} {three(test[key])}"
        for key, label in (("balanced_accuracy", "balanced accuracy"), ("roc_auc", "ROC-AUC"))
        if test.get(key) is not None
    ]
    rest = f" ({', '.join(more)})" if more else ""
    return f"{name} is right about {target} for {percent(test['accuracy'])}{rest} of {_test_rows(test['n'])} {apart}."


def _test_rows(n: int) -> str:
    return "1 test row" if n == 1 else f"{n:,} test rows"


def how_split(by: str) -> str:
    """How rows were split, in words."""
    return "at random" if by == "random" else f"by {by}"


def _beside(content: dict[str, Any]) -> str:
    """Whether a baseline is better."""
    winner, best, key = chosen(content), best_baseline(content), ruling(content)
    said = []
    if winner and winner.get("baseline"):
        alone = all(each.get("baseline") for each in content["candidates"])
        tried = (
            "Only simple methods were tried; the best in validation was"
            if alone
            else "No network was better in validation than"
        )
        said.append(
            f"{tried} {winner['name']}, {'and' if alone else 'a simple method, so'} that is what was chosen here."
        )
    own = content["test"].get(key)
    if best is None or own is None:
        return " ".join(said)
    name, value = best
    spread = chance(content)
    unsure = spread is not None and spread[0] <= value <= spread[1]
    doubt = f"; on {content['test']['n']:,} rows such a difference may be chance" if unsure else ""
    kind = "next simple baseline" if winner and winner.get("baseline") else "best simple baseline"
    what = f"an RMSE of {short(value)}" if key == "rmse" else f"a balanced accuracy of {three(value)}"
    if (own < value) if key == "rmse" else (own > value):
        more = f"{percent(1 - own / value)} less error" if key == "rmse" else f"{three(own - value)} more"
        said.append(f"The {kind}, {name}, has {what}: the model has {more}{doubt}.")
    elif own == value:
        said.append(f"The {kind}, {name}, is as good: it has {what}, too.")
    else:
        said.append(
            f"A simple baseline is better: {name} has {what} against {short(own) if key == 'rmse' else three(own)}{doubt}."
        )
    return " ".join(said)


FEW = 30
"""Test rows; of fewer, the coverage of intervals says next to nothing."""


def _calibration(content: dict[str, Any]) -> str:
    test = content["test"]
    covered = test.get("coverage90")
    if covered is not None:
        margin = max(0.03, 2 * (0.09 / test["n"]) ** 0.5)
        said = f"Its 90 % intervals contain {percent(covered)} of the true values"
        if test["n"] < FEW:
            few = "1 row is" if test["n"] == 1 else f"{test['n']} rows are"
            return f"{said}; {few} too few to tell whether they keep what they promise."
        if covered < 0.9 - margin:
            return f"{said}: they are too narrow."
        return f"{said}: they are wider than need be." if covered > 0.9 + margin else f"{said}, as they should."
    if test.get("ece") is not None:
        return f"Its probabilities are off by {three(test['ece'])} on average (calibration error)."
    return ""


def _more_data(content: dict[str, Any]) -> str:
    twice, curve = content.get("twice"), content.get("learning_curve") or []
    if not twice or twice.get("error") is None:
        return ""
    what = f"With twice the data ({twice['n']:,} rows)"
    if not curve:
        return f"{what} a validation error of about {short(twice['error'])} is expected."
    now = curve[-1]["error"]
    gain = 1 - twice["error"] / now if now else 0.0
    if gain < LITTLE:
        return f"{what} the validation error of {short(now)} would hardly fall: more rows of this kind help little."
    return f"{what} the validation error of {short(now)} is expected to fall to {short(twice['error'])}, {percent(gain)} less."


def _unlike(content: dict[str, Any]) -> str:
    outside = (content.get("applicability") or {}).get("outside") or {}
    if not outside.get("n"):
        return ""
    key, words = ("rmse", "the RMSE is") if content["kind"] == "number" else ("accuracy", "the accuracy is")
    error = outside.get(key)
    there = (
        ""
        if error is None
        else f"; for {'it' if outside['n'] == 1 else 'them'} {words} {short(error) if key == 'rmse' else percent(error)}"
    )
    return f"{outside['n']:,} of the test rows {'is' if outside['n'] == 1 else 'are'} unlike the training data{there}."
