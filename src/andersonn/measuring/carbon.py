"""Energy and CO2e of a comparison that was run, and what its saving would mean in a scenario."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from andersonn.errors import UsageError
from andersonn.io.files import from_json
from andersonn.measuring.contenders import FORWARD
from andersonn.measuring.energy import ESTIMATED, MEASURED, NOT_MEASURED, Energy, from_watts
from andersonn.measuring.scenario import (
    FLEET,
    INTENSITY,
    LEVELS,
    SAVING_NAME,
    SHARE,
    Assumption,
    project,
    saving_of,
)
from andersonn.measuring.setting import setting
from andersonn.measuring.verdict import carbon_verdict

NO_METER = "the run was made without --energy"


def read_report(path: Path) -> dict[str, Any]:
    """A report of ``measure inference`` or ``measure training``.

    Raises:
        UsageError: it cannot be read or is something else.
    """
    hint = "give the report.json that measure inference --out or measure training --out wrote"
    try:
        report = from_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError("bad_report", f"cannot read {str(path)!r}: {error}", hint) from None
    if not isinstance(report, dict) or report.get("measure") not in ("inference", "training"):
        raise UsageError("bad_report", f"{str(path)!r} is no report of an inference or a training", hint)
    return report


def account(
    report: dict[str, Any] | None = None,
    watts: float | None = None,
    given: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Energy of the run in the report, and the projection.

    Args:
        report: of :func:`read_report`; None: the projection alone, for which ``given`` must name a saving.
        watts: assumed power of the machine, for a run whose energy was not measured.
        given: ``fleet``, ``intensity``, ``share`` or ``saving`` → the user's numbers.

    Returns:
        JSON-able data: ``run`` (solver → energy with ``co2e_g``; None without a report), ``projection`` (see
        :func:`~andersonn.measuring.scenario.project`), ``verdict`` and ``setting``.

    Raises:
        UsageError: numbers are impossible, or there is neither a report nor a saving.
    """
    given = given or {}
    if watts is not None and not watts > 0:
        raise UsageError("bad_watts", f"the power is {watts:g} W", "give a positive number")
    base = {"fleet": FLEET, "intensity": INTENSITY, "share": SHARE}
    chosen = {name: each.given(given[name]) if name in given else each for name, each in base.items()}
    run = None if report is None else {name: _energy(row, watts) for name, row in report["solvers"].items()}
    if "saving" in given:
        chosen["saving"] = Assumption(SAVING_NAME, "", 0.0, 0.0, 0.0, "").given(given["saving"])
    elif report is None:
        raise UsageError("no_saving", "there is no saving to project", "give --from REPORT.json or --saving 0.25")
    else:
        assert run is not None  # there is a report
        chosen["saving"] = _saving(report, run)
    projection = project(**chosen)
    result = {
        "measure": "carbon",
        "of": None if report is None else f"{report['measure']} {report['task']}",
        "run": None if run is None else {n: e.as_dict() | _emitted(e, chosen["intensity"]) for n, e in run.items()},
        "projection": projection,
        "setting": setting("cpu") if report is None else report["setting"],
    }
    return result | carbon_verdict(result)


def _energy(row: dict[str, Any], watts: float | None) -> Energy:
    """Of one solver's run: as measured then, else from the watts assumed now."""
    found = (
        Energy(**row["energy"]) if row.get("energy") else Energy(None, NOT_MEASURED, NO_METER, seconds=row["seconds"])
    )
    if found.kwh is None and watts is not None:
        return from_watts(watts, row["seconds"])
    return found


def _emitted(energy: Energy, intensity: Assumption) -> dict[str, Any]:
    """Grams of CO2e at each level of the grid; None where the energy is not known."""
    if energy.kwh is None:
        return {"co2e_g": None}
    return {"co2e_g": dict(zip(LEVELS, (energy.kwh * each for each in intensity.values), strict=True))}


def _saving(report: dict[str, Any], run: dict[str, Energy]) -> Assumption:
    """From measured energies if there are any, else from times, to which energy is taken to be proportional."""
    speedup, (low, high) = _speedup(report)
    ours, plain = run["anderson"], run[FORWARD]
    what = f"Anderson beside Picard iteration, {report['measure']} for {report['task']}, n = {report['n']}"
    if not report["pays"]:
        what += "; the gain in time there was not distinguishable from noise"
    if ours.how == plain.how == MEASURED:
        assert ours.kwh is not None  # as Energy checks
        assert plain.kwh is not None
        ratio = plain.kwh / ours.kwh
        levels = {"low": min(low, ratio), "mid": ratio, "high": max(high, ratio)}
        return saving_of(levels, f"energies measured: {what}; the ends from the quartiles of times")
    levels = {"low": min(low, speedup), "mid": speedup, "high": max(high, speedup)}
    why = "estimated energies say no more" if ESTIMATED in (ours.how, plain.how) else "energies were not measured"
    return saving_of(levels, f"times measured, energy taken to be proportional ({why}): {what}; quartiles")


def _speedup(report: dict[str, Any]) -> tuple[float, list[float]]:
    if report["measure"] == "training":
        return report["speedup_epoch"], report["speedup_epoch_quartiles"]
    return report["speedup_time"], report["speedup_time_quartiles"]
