"""A trained model with other options of what comes after training: calibrated and tested anew, its weights as they are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from andersonn.data.records import Records
from andersonn.data.splits import split_digest
from andersonn.errors import UsageError
from andersonn.training.artifact import Artifact
from andersonn.training.config import AFTER_TRAINING, TrainConfig
from andersonn.training.dataset import prepare
from andersonn.training.progress import Progress, Silent
from andersonn.training.run import SPLIT_KEY, calibrate


def recalibrate(
    artifact: Artifact, records: Records, overrides: Iterable[str] = (), progress: Progress | None = None
) -> Artifact:
    """The model with some options changed, calibrated and tested as at the end of its training.

    Args:
        artifact: the model.
        records: those it was trained on, in the same order.
        overrides: ``key=value`` words; only options of :data:`~andersonn.training.config.AFTER_TRAINING`.
        progress: listener.

    Raises:
        UsageError: another option is changed, or the records are others or divided otherwise.
    """
    progress = progress or Silent()
    given = artifact.config.model_dump(mode="json")
    config = TrainConfig.make(given, overrides)
    changed = config.model_dump(mode="json")
    entering = [name for name in given if name not in AFTER_TRAINING and changed[name] != given[name]]
    if entering:
        raise UsageError(
            "bad_option",
            f"{', '.join(entering)} would need a new training",
            f"change only {', '.join(sorted(AFTER_TRAINING))}, or train anew",
        )
    if artifact.provenance["data"].get(SPLIT_KEY) != split_digest(records, config.split.rule()):
        raise UsageError(
            "other_data",
            f"{records.source!r} is not what the model was trained on",
            "give the same files in the same order",
        )
    progress.start("graph images", len(records))
    dataset = prepare(records, artifact.task, config, lambda done, _: progress.update(done))
    progress.finish()
    scale = artifact.calibration.scale
    calibration, metrics = calibrate(artifact.network, dataset, artifact.task, config, scale, progress)
    provenance = artifact.provenance | {"metrics": metrics}
    return replace(artifact, config=config, calibration=calibration, provenance=provenance)
