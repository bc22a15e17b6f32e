"""The Triton kernel of the small systems against torch, in Triton's interpreter, which needs no GPU."""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest
import torch

from andersonn.solvers import Anderson
from andersonn.solvers.device_window import _weights, fused_weights, tables_of

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
pytestmark = pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed")
interpreted = pytest.mark.skipif(not INTERPRETED, reason="runs in a process of its own, below")


@pytest.fixture
def fused():
    from andersonn.solvers import fused

    return fused


@pytest.mark.skipif(INTERPRETED, reason="runs in it already")
def test_in_the_interpreter():
    """Triton reads the variable when it is imported, so that this needs a process of its own."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", __file__]
    child = subprocess.run(command, env=os.environ | {"TRITON_INTERPRET": "1"}, capture_output=True, text=True)
    assert child.returncode == 0, child.stdout + child.stderr
    assert "passed" in child.stdout


@pytest.mark.skipif(INTERPRETED, reason="the interpreter compiles nothing")
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_it_compiles_for_cuda(fused):
    """Which needs no GPU, and refuses what the interpreter takes."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource, compile

    states, small = ["products", "out"], ["scale", "constant", "right"]
    signature = dict.fromkeys(states, "*fp32") | dict.fromkeys(small, "*fp64") | {"between": "i32"}
    signature |= dict.fromkeys(["n", "padded"], "constexpr")
    source = ASTSource(fn=fused._solve, signature=signature, constexprs={"n": 6, "padded": 8})
    assert compile(source, target=GPUTarget("cuda", 80, 32)).asm["ptx"]


@interpreted
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("n", [2, 6, 21, 32])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_weights_are_those_of_torch(fused, n, dtype):
    """To 1e-6: full rings, rings with empty slots, forgotten slots, products that overflow, slots of very different
    size, slots that nearly depend on each other.
    """
    generator = torch.Generator().manual_seed(0)
    tables = tables_of(n, 1e-8, torch.float64, dtype, torch.device("cpu"))
    residuals = torch.randn(6, n, 64, generator=generator, dtype=dtype)
    residuals[0, 1] = residuals[0, 0] + 1e-3 * residuals[0, 1]
    residuals[1, n // 2 :] = 0.0
    residuals[2] *= torch.logspace(0, -6, n, dtype=dtype).unsqueeze(1)
    residuals[3] *= 1e-15
    products = residuals @ residuals.mT
    products[4, 0, 0] = torch.inf
    grown = torch.zeros(6, n, dtype=torch.float64)
    grown[5, 0] = 1.0
    for q in {0, n - 1}:
        flat = torch.addmm(tables.constant[q].reshape(1, -1), grown, tables.forget[q])
        for constant in (tables.constant[q], flat.view(6, n, n)):
            parts = (products, tables.scale[q], constant, tables.unit[q], dtype)
            expected, found = _weights(*parts).nan_to_num(0.0, 0.0, 0.0), fused.weights(*parts)
            assert found.dtype == dtype
            assert torch.isfinite(found).all()
            assert ((found - expected).norm(dim=1) <= 1e-6 * expected.norm(dim=1)).all()


@interpreted
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_only_on_cuda_and_on_request(fused, monkeypatch):
    for device, asked, expected in (("cuda", "1", fused.weights), ("cuda", "0", None), ("cpu", "1", None)):
        monkeypatch.setenv("ANDERSONN_TRITON", asked)
        fused_weights.cache_clear()
        assert fused_weights(device) is expected
    fused_weights.cache_clear()


@interpreted
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_solve_with_the_kernel_is_the_same(fused, monkeypatch):
    weight = torch.randn(24, 24, generator=torch.Generator().manual_seed(0)) * 0.15
    shift = torch.linspace(-1, 1, 24)
    monkeypatch.setattr("andersonn.solvers.layout.HOST", ())  # the path of accelerators, on the host

    def solution(kernel):
        monkeypatch.setattr("andersonn.solvers.device_window.fused_weights", lambda device: kernel)
        return Anderson(rtol=1e-5).solve(lambda z: torch.tanh(z @ weight + shift), torch.zeros(3, 24))

    called = []

    def counted(*parts):
        called.append(len(parts))
        return fused.weights(*parts)

    plain, found = solution(None), solution(counted)
    assert plain.all_converged
    assert (
        len(called) == found.evaluations - 2
    )  # no step after the last evaluation, none extrapolated before the second
    assert found.evaluations == plain.evaluations
    assert torch.allclose(found.z, plain.z, atol=1e-6)
