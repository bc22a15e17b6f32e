import subprocess
import sys

import numpy as np
import pytest
import torch

from andersonn.measuring.clock import ahead_by_more_than_chance, interleaved
from andersonn.measuring.curves import Curve, crossover
from andersonn.measuring.peak_memory import limited, out_of_memory
from tests.tape import tape_bytes


def curve(seconds, residual) -> Curve:
    return Curve(np.array(seconds, dtype=float), np.array(residual, dtype=float))


def test_crossover_is_where_the_costlier_solver_gets_ahead_for_good():
    plain = curve([1, 2, 3, 4, 5, 6], [1, 0.5, 0.25, 0.12, 0.06, 0.03])
    costly = curve([1.5, 3, 4.5], [1, 0.3, 0.01])
    point = crossover(costly, plain)
    # At 0.12 the plain one is there first (4 s); from 0.06 on the costlier one is (4.5 s before 5 s).
    assert point == {"residual": 0.06, "seconds": 4.5}


def test_no_crossover():
    plain = curve([1, 2, 3], [1, 0.1, 0.01])
    assert crossover(curve([2, 4, 6], [1, 0.1, 0.01]), plain) is None
    assert crossover(curve([1, 2, 3], [1, 0.05, 0.02]), plain) is None  # ahead in the middle, behind at the end


def test_rounding_noise_decides_nothing():
    plain = curve([1, 2, 3, 4], [1, 0.1, 2e-7, 1e-7])
    costly = curve([1.1, 1.9, 2.8], [1, 0.05, 3e-7])  # ahead down to 2e-6; never at 1e-7
    assert crossover(costly, plain) is None
    assert crossover(costly, plain, floor=2e-6)["seconds"] == 1.9


def test_ahead_from_the_start_and_where_the_other_never_comes():
    plain = curve([1, 2, 3], [1, 0.9, 0.8])
    costly = curve([0.5, 1], [1, 0.01])
    assert crossover(costly, plain)["residual"] == 1.0
    assert plain.time_to(0.01) == np.inf


def test_clock_runs_things_in_turn():
    calls = []
    times = interleaved({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, repeats=3, warmup=1)
    assert calls == ["a", "b"] * 4
    assert times["a"].repeats == 3
    assert 0 <= times["a"].low <= times["a"].median <= times["a"].high


def test_what_chance_could_do_tells_nothing_apart():
    assert [ahead_by_more_than_chance(n, n) for n in (0, 1, 3, 4, 5, 7)] == [False, False, False, False, True, True]
    assert not ahead_by_more_than_chance(6, 7)  # 8 of 128
    assert ahead_by_more_than_chance(8, 9)  # 10 of 512
    assert not ahead_by_more_than_chance(50, 100)
    assert ahead_by_more_than_chance(60, 100)


def test_tape_bytes():
    x = torch.randn(1000, requires_grad=True)
    assert tape_bytes(lambda: x.exp()) == 4000
    assert tape_bytes(lambda: x.exp().exp().exp()) == 12000

    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.kept = x + 1.0  # where saved_tensors_hooks do not look
            return 2.0 * x

        @staticmethod
        def backward(ctx, gradient):
            return 2.0 * gradient

    assert tape_bytes(lambda: Twice.apply(x)) == 8000


def test_a_limit_holds_and_is_lifted():
    large = 2**32
    with pytest.raises(RuntimeError) as refused, limited(2**30):
        torch.empty(large, dtype=torch.uint8)
    assert out_of_memory(refused.value)
    with pytest.raises(MemoryError) as refused, limited(2**30):
        np.empty(large, dtype=np.uint8)
    assert out_of_memory(refused.value)
    torch.empty(large, dtype=torch.uint8)  # untouched, so it takes no memory
    assert not out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


def test_peak_bytes_sees_a_large_tensor():
    """In a fresh process, as its docstring asks: here the allocator may hold as much already."""
    code = (
        "import torch; from andersonn.measuring.peak_memory import peak_bytes; "
        "print(peak_bytes(lambda: torch.ones(25_000_000).sum()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    if done.stdout.strip() == "None":
        pytest.skip("this kernel does not let a process reset its peak")
    assert int(done.stdout) == pytest.approx(1e8, rel=0.1)
