"""The study of training to equal accuracy: what is exported, what counts as time, the tables, and our own runner. No peer is needed."""

import json
import sys
from itertools import count
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import peers_training
from andersonn.data.records import Records
from andersonn.data.splits import SplitRule, split_of
from andersonn.scientists.conduction import CONDUCTION
from andersonn.scientists.polarity import POLARITY
from andersonn.scientists.polarity import SCIENTIST as POLARITY_SCIENTIST
from andersonn.structures.readers import read_file

FOLDER = Path(peers_training.__file__).parent / "peers"
STUDY = {"train": 200, "validation": 30, "budget": 8.0, "seed": 3}


@pytest.fixture(scope="module", autouse=True)
def _runners_find_each_other():
    sys.path.append(str(FOLDER))
    yield
    sys.path.remove(str(FOLDER))


@pytest.fixture(scope="module")
def waters():
    """Water molecules of many shapes, ten a group; the last ones lack a geometry or a label."""
    draw = np.random.default_rng(0)
    n = 600
    shapes = np.array([[0, 0, 0.12], [0, 0.76, -0.47], [0, -0.76, -0.47]]) + draw.normal(0, 0.1, (n, 3, 3))
    dipoles = np.linalg.norm(2 * shapes[:, 0] - shapes[:, 1] - shapes[:, 2], axis=1) * 2.1
    positions = [shape.ravel().tolist() for shape in shapes]
    values = dipoles.tolist()
    positions[-1], values[-2] = None, None
    columns = {
        "id": [f"w{i}" for i in range(n)],
        "group": [f"g{i // 10}" for i in range(n)],
        "smiles": ["O"] * n,
        "atomic_numbers": [[8, 1, 1]] * n,
        "positions": positions,
        "dipole_D": values,
    }
    return Records.of(pa.table(columns), "waters")


@pytest.fixture(scope="module")
def exported(waters, tmp_path_factory):
    folder = tmp_path_factory.mktemp("polarity")
    peers_training.export(waters, POLARITY, STUDY, folder)
    return folder


def test_exported_records_are_those_of_two_sides_of_the_split(waters, exported):
    from curve import Exported

    with np.load(exported / "records.npz") as file:
        ids = {side: file[f"{side}_ids"].tolist() for side in ("train", "validation")}
    sides = {side: {waters.ids[i] for i in indices} for side, indices in split_of(waters, SplitRule()).items()}
    for side, chosen in ids.items():
        assert len(set(chosen)) == STUDY[side]
        assert set(chosen) <= sides[side]
        assert not {"w598", "w599"} & set(chosen)  # no label, no geometry
    data = Exported.read(exported / "records.npz")
    row = waters.ids.index(ids["validation"][7])
    assert data.validation.values[7] == waters.label("dipole_D")[row]
    assert np.array_equal(data.validation.xyz[7], waters[row].xyz)
    assert data.validation.Z[7].tolist() == [8, 1, 1]
    assert data.train.smiles == ["O"] * STUDY["train"]
    assert np.array_equal(data.labels, POLARITY.class_of(data.validation.values))
    files = sorted((exported / "files").glob("*.xyz"))
    assert len(files) == STUDY["validation"]
    assert np.abs(read_file(files[7])[0].xyz - waters[row].xyz).max() < 1e-6


def test_crystals_are_exported_with_their_cells_as_cif_files(tmp_path):
    from curve import Exported

    lengths = np.linspace(4.0, 6.0, 300)
    columns = {
        "id": [f"c{i}" for i in range(300)],
        "group": [f"g{i}" for i in range(300)],
        "atomic_numbers": [[55, 17]] * 300,
        "positions": [[0, 0, 0, a / 2, a / 2, a / 2] for a in lengths],
        "cell": [(a * np.eye(3)).ravel().tolist() for a in lengths],
        "band_gap_eV": [0.0, 0.04, 0.05, 2.0, 3.0, 7.0] * 50,
    }
    peers_training.export(Records.of(pa.table(columns), "salts"), CONDUCTION, STUDY | {"validation": 20}, tmp_path)
    data = Exported.read(tmp_path / "records.npz")
    assert data.task == "conduction"
    assert not data.validation.smiles
    assert np.array_equal(data.labels, CONDUCTION.class_of(data.validation.values))
    assert set(data.labels) == {0, 1, 2}
    files = sorted((tmp_path / "files").glob("*.cif"))
    assert len(files) == 20
    assert np.allclose(read_file(files[7])[0].cell, data.validation.cells[7], atol=1e-5)


def test_values_become_classes_where_most_of_the_records_are_right():
    from curve import Exported, Side

    draw = np.random.default_rng(2)
    values = draw.uniform(0, 5, 60)
    estimates = np.exp(values) + draw.normal(0, 20, 60)
    side = Side([], [], [], [], values)
    data = Exported(side, side, np.array([0.5, 3.0]), "conduction")
    right = (data.classes_at_best(estimates) == data.labels).sum()
    cuts = [-np.inf, *np.sort(estimates)]
    tried = [
        (np.searchsorted([low, high], estimates, side="left") == data.labels).sum()
        for low in cuts
        for high in cuts
        if low <= high
    ]
    assert right == max(tried)
    assert (data.classes_at_best(values) == data.labels).all()


def test_too_few_records_are_told_of(waters, tmp_path):
    with pytest.raises(SystemExit, match="only .* records on the validation side; lower --validation"):
        peers_training.export(waters, POLARITY, STUDY | {"validation": 500}, tmp_path)


def test_evaluations_are_left_out_of_the_seconds(exported, tmp_path):
    from curve import Curve, Exported

    now = [0.0]
    data = Exported.read(exported / "records.npz")
    curve = Curve(tmp_path / "c.jsonl", 8.0, data, evaluations=4, clock=lambda: now[0])

    def evaluate():
        now[0] += 100.0
        return 1 - data.labels, data.validation.values + 0.5

    over = []
    while not any(over):
        now[0] += 1.0
        over.append(curve.after_batch(5, evaluate))
    curve.evaluate(evaluate)  # nothing was learned since
    points = [json.loads(line) for line in (tmp_path / "c.jsonl").read_text().splitlines()]
    assert [(p["cpu_seconds"], p["shown"]) for p in points] == [(2, 10), (4, 20), (6, 30), (8, 40)]
    assert {p["accuracy"] for p in points} == {0.0}
    assert {round(p["mae"], 9) for p in points} == {0.5}
    assert over == [False] * 7 + [True]


def test_epochs_are_those_that_the_rest_of_the_budget_allows(exported, tmp_path):
    from curve import Curve, Exported, Pace

    now = [0.0]
    curve = Curve(tmp_path / "c.jsonl", 100.0, Exported.read(exported / "records.npz"), clock=lambda: now[0])
    pace = Pace(curve)
    enough = []
    for seconds, shown in ((10.0, 50), (1.0, 100), (1.0, 150)):  # the first batch is slow
        now[0] += seconds
        enough.append(pace.after_batch(shown, until=5.0))
    assert enough == [False, False, True]
    assert pace.epochs(records=200) == 22  # 88 s are left, at 4 s an epoch
    alone = Pace(curve)
    alone.after_batch(50, until=0.0)
    with pytest.raises(ValueError, match="one batch"):
        alone.epochs(50)


def curve_of(name, budget, *points, **facts):
    points = [{"cpu_seconds": s, "shown": int(10 * s), "accuracy": a, "mae": m} for s, a, m in points]
    energy = {"kwh": None, "source": "no counter"}
    return peers_training.Run(
        name,
        budget,
        points,
        {"parameters": 7, "epochs": 2, "source": "xyz files", "per_second": 9.6, "energy": energy} | facts,
    )


def test_time_to_accuracy_and_tables():
    ours = [
        curve_of("ours", 25.0, (10, 0.70, 0.9), (25, 0.86, 0.5)),
        curve_of("ours", 100.0, (50, 0.80, 0.6), (100, 0.90, 0.3)),
    ]
    peers = [
        curve_of("chemprop", 100.0, (20, 0.60, None), (60, 0.84, None), (100, 0.82, None), source="SMILES"),
        curve_of("PaiNN", 100.0, (50, 0.7, 0.5), (100, 0.95, 0.25)),
    ]
    assert peers_training.seconds_to(ours, "accuracy", 0.82) == 25
    assert peers_training.seconds_to(ours, "mae", 0.6) == 25
    assert peers_training.seconds_to(peers, "mae", 0.5) == 50
    assert peers_training.seconds_to(ours, "accuracy", 0.95) is None
    study = {"study": STUDY | {"budget": 100.0}, "machine": "a machine"}
    text = peers_training.report("polarity", study, [*ours, *peers])
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    assert ["ours, 25", "7", "2", "250", "", "0.700 (0.90)", "0.860 (0.50)", "", "", "–"] in rows
    assert ["chemprop", "accuracy", "0.820, 100", "ours", "0.900, 100", "60", "25.0", "2.4"] in rows
    assert ["PaiNN", "accuracy", "0.950, 100", "ours", "0.900, 100", "100", "not reached", "–"] in rows
    assert ["PaiNN", "mae", "0.250, 100", "ours", "0.300, 100", "100", "not reached", "–"] in rows
    assert not any(row[:2] == ["chemprop", "mae"] for row in rows)  # it gives no values
    assert ["chemprop, SMILES", "10"] in rows
    assert "Energy was not measured: no counter." in text


def test_our_runner_learns_within_its_budget(exported, tmp_path):
    from curve import Curve, Exported
    from ours_run import train

    ticks = count()  # a clock that goes on by one whenever it is read
    data = Exported.read(exported / "records.npz")
    curve = Curve(tmp_path / "c.jsonl", 200.0, data, evaluations=5, clock=lambda: float(next(ticks)))
    trainer = train(curve, POLARITY_SCIENTIST, seed=1)
    points = [json.loads(line) for line in (tmp_path / "c.jsonl").read_text().splitlines()]
    assert trainer.config.epochs > 1
    assert len(trainer.history) <= trainer.config.epochs
    assert 3 <= len(points) <= 7
    assert [p["shown"] for p in points] == sorted({p["shown"] for p in points})
    assert points[-1]["shown"] <= trainer.config.epochs * STUDY["train"]
    assert points[-1]["mae"] < points[0]["mae"]
    assert trainer.dataset.sides["train"].tolist() == list(range(STUDY["train"]))
    assert not len(trainer.dataset.sides["test"])


def test_a_network_with_falling_rates_is_also_trained_for_shorter():
    contenders = peers_training.TASKS["polarity"]
    assert peers_training.budgets(contenders["ours"], 160.0, [0.0625, 0.25, 1]) == [10.0, 40.0, 160.0]
    assert peers_training.budgets(peers_training.Contender("a_run.py"), 160.0, [0.25]) == [160.0]
    every = [contender for those in peers_training.TASKS.values() for contender in those.values()]
    assert {contender.runner for contender in every} <= {path.name for path in FOLDER.glob("*_run.py")}
    assert peers_training.python_of((), Path("nowhere")) == sys.executable


def test_a_run_that_was_ended_early_counts_as_far_as_it_came(tmp_path):
    lines = [{"name": "PaiNN", "budget": 900.0}, {"cpu_seconds": 75.4, "shown": 4400, "accuracy": 0.785, "mae": 0.96}]
    (tmp_path / "PaiNN-900.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    (tmp_path / "SchNet-900.jsonl").write_text(json.dumps(lines[0] | {"name": "SchNet"}))  # not a point yet
    (found,) = peers_training.results("polarity", tmp_path)
    assert (found.name, found.budget, len(found.points)) == ("PaiNN", 75, 1)
    text = peers_training.report("polarity", {"study": STUDY, "machine": "a machine"}, [found])
    assert "| PaiNN, 75 | – | – | 4,400 |" in text
    assert "ended early" in text
