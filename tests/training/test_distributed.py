import csv
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch

from andersonn.config import TrainConfig, config_of
from andersonn.data import store as stores
from andersonn.errors import UsageError
from andersonn.inference.model_bundle import ModelBundle
from andersonn.scientists.conduction import CONDUCTION, SCIENTIST
from andersonn.training.checkpoint import write_history
from andersonn.training.dataset import prepare
from andersonn.training.distributed import LAUNCHER_VARIABLES, init_processes, launched
from andersonn.training.process_group import SINGLE, ProcessGroup
from andersonn.training.rank_shard import balanced_partition, shard_of, synchronized_dropout
from andersonn.training.run import CHECKPOINT, train
from andersonn.training.trainer import Trainer
from tests.forked import start
from tests.training.distributed_worker import SMALL, apart, doubled, some_records

ROOT = Path(__file__).parents[2]
WORKER = "tests.training.distributed_worker:of_words"
CPU = torch.device("cpu")
pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.skipif(not torch.distributed.is_available(), reason="torch was built without torch.distributed"),
]


@pytest.fixture(scope="module")
def records():
    return some_records()


def trainer_of(records, *overrides):
    config = TrainConfig.make(overrides=[*SMALL, *overrides])
    return Trainer(prepare(records, CONDUCTION, config), CONDUCTION, config)


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


def place(rank, size, port):
    values = (str(rank), str(size), str(rank), "127.0.0.1", port)
    return dict(zip(LAUNCHER_VARIABLES, values, strict=True)) | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}


def run_checks(folder, *checks, size=2):
    """What each process found, by check, and its exit status and errors."""
    port = free_port()
    said = [(folder / f"said.{rank}").open("w+") for rank in range(size)]
    workers = [
        start(folder, *checks, call=WORKER, cwd=ROOT, env=os.environ | place(rank, size, port), stderr=said[rank])
        for rank in range(size)
    ]
    try:
        statuses = [worker.wait(timeout=200) for worker in workers]
    finally:
        for worker, stream in zip(workers, said):
            worker.kill()
            stream.close()
    ends = [(Path(stream.name).read_text(), status) for stream, status in zip(said, statuses)]
    files = {check: [folder / f"{check}.{rank}.json" for rank in range(size)] for check in checks}
    found = {
        check: [json.loads(file.read_text()) if file.exists() else None for file in each]
        for check, each in files.items()
    }
    return found, ends


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """What two processes found in a row, and how they ended."""
    checks = ("same_weights", "few_structures", "divergence", "failure")
    return run_checks(tmp_path_factory.mktemp("two"), *checks)


# ---- shards


@pytest.mark.parametrize("size", [2, 3, 7])
def test_rows_are_dealt_out_evenly(size):
    rng = np.random.default_rng(0)
    for n in (size, size + 1, 128):
        costs = rng.integers(1, 60, n)
        owner = balanced_partition(costs, size)
        loads = np.bincount(owner, weights=costs, minlength=size)
        assert np.bincount(owner, minlength=size).min() >= 1
        assert loads.max() - loads.min() <= costs.max()
        assert np.array_equal(owner, balanced_partition(costs, size))


def test_shares_make_up_the_batch():
    n_rows = np.array([4, 9, 1, 7, 3, 8])
    indices = np.array([5, 0, 3, 1])
    shards = [shard_of(indices, n_rows, rank, 3) for rank in range(3)]
    assert sorted(np.concatenate([shard.indices for shard in shards])) == sorted(indices)
    assert sum(shard.weight for shard in shards) == 1.0
    assert sorted(torch.cat([shard.rows for shard in shards]).tolist()) == list(range(8 + 4 + 7 + 9))
    for shard in shards:
        assert np.array_equal(indices[shard.positions.numpy()], shard.indices)
        assert len(shard.rows) == n_rows[shard.indices].sum()
    spare = shard_of(indices[:1], n_rows, 2, 3)
    assert spare.weight == 0.0
    assert spare.indices.tolist() == [5]


def gradients(trainer, indices, size):
    """Summed over the shards of so many processes, each with generators of its own as in earnest; and those generators'
    states afterwards.
    """
    total, states = {}, []
    trainer.network.train()
    for rank in range(size):
        torch.manual_seed(1)
        shard = shard_of(indices, trainer.dataset.store.n_rows, rank, size)
        trainer.network.zero_grad()
        with synchronized_dropout(trainer.network, shard):
            loss = trainer._loss(shard) * shard.weight
        loss.backward()
        states.append(torch.get_rng_state())
        for name, parameter in trainer.network.named_parameters():
            if parameter.grad is not None:
                total[name] = total.get(name, 0.0) + parameter.grad
    return total, states


@pytest.mark.parametrize(
    "options", [["cell=message"], ["cell=convolution"], ["layers=3"], ["solving.one_step=1"]], ids=str
)
@pytest.mark.parametrize("size", [2, 9])
def test_gradients_of_shares_add_up_to_those_of_the_batch(records, options, size):
    trainer = trainer_of(records, *options, "dropout=0.4", "embedding_dropout=0.3", "strain=0.05")
    if trainer.solver_schedule is not None:
        trainer.solver_schedule.at(0.0)
    with doubled(trainer):
        indices = trainer.dataset.sides["train"][:7]
        whole, (state,) = gradients(trainer, indices, 1)
        added, states = gradients(trainer, indices, size)
        other, _ = gradients(trainer, indices[:6], 1)
    assert all(torch.equal(each, state) for each in states)
    assert whole.keys() == added.keys()
    for name, expected in whole.items():
        assert torch.allclose(added[name], expected, rtol=1e-9, atol=1e-13), name
    assert any(not torch.allclose(other[name], whole[name], rtol=1e-3) for name in whole)


def test_dropouts_are_their_own_again(records):
    trainer = trainer_of(records)
    shard = shard_of(trainer.dataset.sides["train"][:4], trainer.dataset.store.n_rows, 0, 2)
    parts = [part for part in trainer.network.modules() if isinstance(part, torch.nn.Dropout)]
    with synchronized_dropout(trainer.network, shard):
        assert all("forward" in vars(part) for part in parts)
    assert not any("forward" in vars(part) for part in parts)
    every_kind = [type(m) for m in trainer.network.modules() if isinstance(m, torch.nn.modules.dropout._DropoutNd)]
    assert set(every_kind) == {torch.nn.Dropout}  # no other is drawn for all


# ---- two processes


def test_two_processes_give_the_weights_of_one(two):
    first, second = two[0]["same_weights"]
    for name, tolerance in (("message, float64", 1e-12), ("convolution, float64", 1e-12), ("message, float32", 1e-4)):
        found = first[name]
        assert found["apart"] < tolerance, name
        assert found["moved"] > 1e-3
        assert found["losses"][0] == pytest.approx(found["losses"][1], rel=tolerance)
        assert found["evaluations"][0] == found["evaluations"][1]
        assert all(0 < waiting < 1 for waiting in found["waiting"])
        assert found["digest"] == second[name]["digest"]  # the same to the last bit on both


def test_a_process_without_structures_takes_part(two):
    found = two[0]["few_structures"]
    assert any(weight == 0.0 for each in found for weight in each["weights"])
    for each in found:
        assert each["apart"] < 1e-4
        assert each["train_loss"][0] == pytest.approx(each["train_loss"][1], rel=1e-5)
        assert each["same_answers"]


def test_divergence_on_one_is_told_by_all(two):
    assert two[0]["divergence"] == ["diverged", "diverged"]


def test_the_failure_of_one_ends_all(two):
    found, ends = two
    first, second = found["failure"]
    assert first == {
        "section": "other_failed",
        "unlike": "unlike_processes",
        "alike": "nothing",
        "epoch": "lost_process",
    }
    assert second is None
    assert ends[0][1] in (
        0,
        -signal.SIGABRT,
    )  # gloo may abort a process that has lost another as it exits (1 run in 30)
    assert ends[1][1] == 1
    assert "this process failed" in ends[1][0]


@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_processes(tmp_path):
    both, ends = run_checks(tmp_path, "resumed")
    assert all(code == 0 for _, code in ends), ends
    for found in both["resumed"]:
        for way in ("fewer", "more"):
            assert found[way]["epochs"] == 3
            assert found[way]["apart"] < 1e-4


# ---- the command


def command(out, data, *more, restarts=0):
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", free_port()]
    torchrun += ["--max-restarts", str(restarts)]
    options = ["--data", str(data), "--out", str(out), *SMALL, *more]
    return [*torchrun, "-m", "andersonn.cli.main", "train", "conduction", *options]


@pytest.fixture(scope="module")
def data(records, tmp_path_factory):
    import pyarrow.parquet as pq

    path = tmp_path_factory.mktemp("data") / "records.parquet"
    pq.write_table(records.table, path)
    return path


needs_proc = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds processes in /proc")
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}


def under_torchrun(*given):
    """Whether all went well, and what was said on both streams, of a command that torchrun starts twice."""
    done = subprocess.run(command(*given), env=os.environ | ENVIRONMENT, capture_output=True, text=True, timeout=200)
    return done.returncode == 0, done.stdout, done.stderr


def as_by_torchrun(out, data, *more):
    """The same of two commands that find their places in the environment, without the launcher, which starts slowly."""
    port, words = free_port(), ["train", "conduction", "--data", data, "--out", out, *SMALL, *more]
    streams = [(data.parent / name).open("a+") for name in ("stdout", "stderr")]
    for stream in streams:
        stream.truncate(0)
    two = [
        start(*words, env=os.environ | place(rank, 2, port), **dict(zip(("stdout", "stderr"), streams)))
        for rank in (0, 1)
    ]
    ends = [each.wait(200) for each in two]
    for stream in streams:
        stream.close()
    return not any(ends), *(Path(stream.name).read_text() for stream in streams)


@pytest.mark.parametrize("launch", [as_by_torchrun, pytest.param(under_torchrun, marks=pytest.mark.slow)])
def test_the_command_in_two_processes(data, tmp_path, launch):
    out = tmp_path / "two"
    well, said, told = launch(out, data, "--format", "json")
    assert well, told
    (line,) = said.splitlines()  # of one process alone
    assert json.loads(line)["task"] == "conduction"
    assert told.count("training: 100 %") == 1
    names = ["domain.safetensors", "history.csv", "metrics.json", "model.json", "model.safetensors"]
    assert sorted(p.name for p in out.iterdir()) == names
    assert json.loads((out / "model.json").read_text())["processes"] == 2
    with (out / "history.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 3
    assert all(0 < float(row["waiting"]) < 1 for row in rows)
    well, _, told = launch(out, data)
    assert not well
    assert told.count("error: ") == 1
    assert "error: process 0 of 2: " in told
    assert "already holds a model" in told


def workers_of(parent):
    """Processes that torchrun has started, by their number on this machine."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, KeyError):
            if int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                words = (folder / "environ").read_bytes().split(b"\0")
                told = dict(word.decode().partition("=")[::2] for word in words)
                found[int(told["LOCAL_RANK"])] = int(folder.name)
    return found


@pytest.mark.slow
@needs_proc
def test_killed_with_two_processes_and_resumed_with_one(records, data, tmp_path):
    words = ["epochs=6", "image.oxidation=true", "model.oxidation=true", "model.initializer=true"]
    config = config_of(SCIENTIST, overrides=[*SMALL, *words])  # as the command has it
    undisturbed = train(CONDUCTION, records, config, tmp_path / "one")
    out = tmp_path / "two"
    launched = subprocess.Popen(command(out, data, *words), env=os.environ | ENVIRONMENT, stderr=subprocess.DEVNULL)
    try:
        begin = time.monotonic()
        while not (out / CHECKPOINT).exists():
            assert launched.poll() is None
            assert time.monotonic() - begin < 200
            time.sleep(0.005)
    finally:
        for process in (launched.pid, *workers_of(launched.pid).values()):  # they are no group of processes
            os.kill(process, signal.SIGKILL)
        launched.wait()
    time.sleep(1.0)
    assert not (out / "model.json").exists()
    train(CONDUCTION, records, config, out, resume=True)
    weights = ModelBundle.load(out).network.state_dict()
    for name, value in undisturbed.network.state_dict().items():
        assert torch.allclose(weights[name], value, atol=1e-4), name
    names = [sorted(p.name for p in (tmp_path / each).iterdir()) for each in ("one", "two")]
    assert names[0] == names[1]
    cards = [json.loads((tmp_path / each / "model.json").read_text()) for each in ("one", "two")]
    assert cards[0].keys() == cards[1].keys()
    assert cards[0]["config"] == cards[1]["config"]
    history = [(tmp_path / each / "history.csv").read_text() for each in ("one", "two")]
    assert ["waiting" in each for each in history] == [False, True]


@pytest.mark.slow
@needs_proc
def test_torchrun_starts_killed_processes_anew(data, tmp_path):
    words = ["epochs=400", "device=cpu", "--resume"]
    whole, out = tmp_path / "whole", tmp_path / "out"
    subprocess.run(command(whole, data, *words), env=os.environ | ENVIRONMENT, check=True, timeout=400)
    launched = subprocess.Popen(command(out, data, *words, restarts=2), env=os.environ | ENVIRONMENT)
    try:
        for rank in (1, 0):
            before = (out / CHECKPOINT).stat().st_mtime_ns if (out / CHECKPOINT).exists() else 0
            begin = time.monotonic()
            while not (out / CHECKPOINT).exists() or (out / CHECKPOINT).stat().st_mtime_ns == before:
                assert launched.poll() is None, "it ended before it could be disturbed"
                assert time.monotonic() - begin < 200
                time.sleep(0.01)
            os.kill(workers_of(launched.pid)[rank], signal.SIGKILL)
            time.sleep(1.0)  # else the checkpoint of the process that is left could be taken for one of the next
        assert launched.wait(timeout=400) == 0
    finally:
        launched.kill()
    assert (out / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


# ---- what is refused


@pytest.fixture
def nowhere(monkeypatch):
    for name in LAUNCHER_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_alone_without_a_launcher(nowhere):
    assert launched() == (0, 1)
    nowhere.setenv("WORLD_SIZE", "1")
    with init_processes(CPU) as processes:
        assert processes is SINGLE
    assert not torch.distributed.is_initialized()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"RANK": "0", "WORLD_SIZE": "2"}, "LOCAL_RANK, MASTER_ADDR, MASTER_PORT is not set"),
        ({"WORLD_SIZE": "4"}, "WORLD_SIZE=4 announces several processes, but RANK"),
        ({"RANK": "0"}, "WORLD_SIZE"),
        (place(5, 2, "1"), "no process of a process group"),
        (place("first", 2, "1"), "RANK=first"),
    ],
)
def test_half_a_launch_is_refused(nowhere, given, message):
    for name, value in given.items():
        nowhere.setenv(name, value)
    with pytest.raises(UsageError, match=message) as caught, init_processes(CPU):
        pass
    assert "torchrun" in caught.value.hint


def test_fewer_gpus_than_processes_are_refused(nowhere):
    for name, value in place(1, 2, free_port()).items():
        nowhere.setenv(name, value)
    nowhere.setattr(torch.cuda, "device_count", lambda: 1)
    with (
        pytest.raises(UsageError, match="finds 1 CUDA GPU, and each needs its own") as caught,
        init_processes(torch.device("cuda")),
    ):
        pass
    assert caught.value.hint.startswith("start --nproc-per-node 1")


def test_a_missing_backend_is_refused(nowhere):
    for name, value in place(0, 2, free_port()).items():
        nowhere.setenv(name, value)
    nowhere.setattr(torch.distributed, "is_gloo_available", lambda: False)
    with pytest.raises(UsageError, match="has no gloo"), init_processes(CPU):
        pass


def test_others_that_never_come_are_told(nowhere):
    from datetime import timedelta

    for name, value in place(0, 2, free_port()).items():
        nowhere.setenv(name, value)
    nowhere.setattr("andersonn.training.distributed.PATIENCE", timedelta(seconds=1))
    with pytest.raises(UsageError, match="process 0 of 2 cannot reach the others at 127.0.0.1"), init_processes(CPU):
        pass


def test_batches_too_small_for_the_team_are_refused(records):
    config = TrainConfig.make(overrides=[*SMALL, "max_images=2"])
    dataset = prepare(records, CONDUCTION, config)
    with pytest.raises(UsageError, match="more than 2 structures, too few for 3 processes"):
        Trainer(dataset, CONDUCTION, config, ProcessGroup(0, 3))


# ---- the shared store


def test_a_mapped_store_is_the_store(records, monkeypatch, tmp_path):
    monkeypatch.setenv("ANDERSONN_CACHE", str(tmp_path))
    for overrides in (
        (),
        ("image.oxidation=true", "model.oxidation=true"),
        ("image.positions=true", "image.fold=false"),
    ):
        recipe = TrainConfig.make(overrides=[*SMALL, *overrides]).image
        with pytest.raises(UsageError, match="set ANDERSONN_CACHE") as caught:
            stores.shared_image_store(records, recipe, make=False)
        assert caught.value.kind == "no_shared_images"
        read = stores.image_store(records, recipe)
        mapped = stores.shared_image_store(records, recipe, make=False)
        for name, value in vars(read).items():
            if isinstance(value, np.ndarray):
                assert np.array_equal(getattr(mapped, name), value)
                assert getattr(mapped, name).dtype == value.dtype
                assert not getattr(mapped, name).flags.owndata
                assert not getattr(mapped, name).flags.writeable
            else:
                assert getattr(mapped, name) == value


def test_a_damaged_store_is_made_again_by_the_one_that_makes(records, monkeypatch, tmp_path):
    monkeypatch.setenv("ANDERSONN_CACHE", str(tmp_path))
    recipe = TrainConfig.make(overrides=SMALL).image
    stores.shared_image_store(records, recipe)
    (file,) = (tmp_path / "images").iterdir()
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(UsageError):
        stores.shared_image_store(records, recipe, make=False)
    assert len(stores.shared_image_store(records, recipe)) == len(records)


def test_a_history_gains_columns(tmp_path):
    write_history(tmp_path / "history.csv", [{"epoch": 1}, {"epoch": 2, "waiting": 0.25}])
    assert (tmp_path / "history.csv").read_text().split() == ["epoch,waiting", "1,", "2,0.25"]


def test_weights_apart_can_tell(records):
    """The measure that the checks above rest on."""
    one, other = trainer_of(records), trainer_of(records)
    assert apart(one, other) == 0.0
    with torch.no_grad():
        next(other.average.parameters())[0] += 0.5
    assert apart(one, other) == pytest.approx(0.5)
