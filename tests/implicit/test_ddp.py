import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed.fsdp

from andersonn.implicit import ImplicitGradient
from tests.implicit.ddp_worker import SETTINGS, SHARDED, Network, data, gradients

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.skipif(not torch.distributed.is_available(), reason="torch was built without torch.distributed")
@pytest.mark.filterwarnings("ignore:find_unused_parameters")
def test_two_processes_give_the_gradients_of_one(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    outputs = [tmp_path / f"{rank}.pt" for rank in (0, 1)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.implicit.ddp_worker", str(rank), port, str(output)],
            cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True,
        )
        for rank, output in enumerate(outputs)
    ]  # fmt: skip
    try:
        for worker in workers:
            _, errors = worker.communicate(timeout=200)
            assert worker.returncode == 0, errors
    finally:
        for worker in workers:
            worker.kill()
    first, second = (torch.load(output) for output in outputs)
    rules = {name: gradient for name, (gradient, _) in SETTINGS.items()}
    if hasattr(torch.distributed.fsdp, "fully_shard"):
        rules |= dict.fromkeys(SHARDED, ImplicitGradient())
    assert rules.keys() == first.keys()
    for name, gradient in rules.items():
        alone = gradients(Network(gradient), data())
        assert alone.keys() == first[name].keys() == second[name].keys()
        for key, expected in alone.items():
            assert expected.abs().sum() > 0
            assert torch.equal(first[name][key], second[name][key])
            assert torch.allclose(first[name][key], expected, rtol=1e-9, atol=1e-12)
