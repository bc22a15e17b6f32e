"""Compiled sums over neighbors against the reference: values, gradients, threads, and what happens where they cannot be had."""

import itertools
import os
import sys

import numpy as np
import pytest
import torch

from andersonn import launch
from andersonn.models import ImageBatch, message_cell, message_kernel
from andersonn.models.batch import Neighbors
from tests.models.test_networks import network, store_of

needs_compiler = pytest.mark.skipif(
    message_kernel.why_not() is not None, reason=f"no compiled code: {message_kernel.why_not()}"
)


def posed(images, columns=3, width=37, dtype=torch.float64, seed=0):
    """Neighbors of images of so many rows, filters and what is sent; some entries point to their own row."""
    rng = np.random.default_rng(seed)
    starts = np.cumsum([0, *images])
    index = np.concatenate([a + rng.integers(0, b - a, (b - a, columns)) for a, b in itertools.pairwise(starts)])
    torch.manual_seed(seed)
    filters, sent = (torch.randn(*shape, dtype=dtype) for shape in ((len(index), columns, width), (len(index), width)))
    return Neighbors.from_index(index.astype(np.int64)), filters, sent


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@needs_compiler
@pytest.mark.parametrize("width", [1, 8, 37, 64, 128])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("images", [(1,), (7,), (1, 1, 5, 2, 9, 30), (200, 3)])
def test_sums_are_those_of_the_reference(images, dtype, width, threads):
    neighbors, filters, sent = posed(images, width=width, dtype=dtype)
    true = neighbors.exchange(filters, sent)
    threads(1)
    alone = message_kernel.exchange(neighbors, filters, sent)
    assert torch.allclose(
        alone, true, rtol=1e-5 if dtype == torch.float32 else 1e-13, atol=1e-5 if dtype == torch.float32 else 1e-13
    )
    for count in (2, 3, 64):
        threads(count)
        with torch.no_grad():
            assert torch.equal(message_kernel.exchange(neighbors, filters, sent), alone)


@needs_compiler
def test_tensors_that_are_views_are_read_right():
    neighbors, filters, sent = posed((5, 6), width=8)
    wide = torch.randn(11, 3, 16, dtype=torch.float64)
    tall = torch.randn(8, 11, dtype=torch.float64)
    with torch.no_grad():
        found = message_kernel.exchange(neighbors, wide[:, :, ::2], tall.T)
    assert torch.allclose(found, neighbors.exchange(wide[:, :, ::2], tall.T))


@needs_compiler
@pytest.mark.parametrize("wants", [(True, True), (True, False), (False, True)])
def test_first_and_second_derivatives(wants, threads):
    threads(2)
    neighbors, filters, sent = posed((1, 4, 3), width=3)
    filters.requires_grad_(wants[0])
    sent.requires_grad_(wants[1])

    def exchange(filters, sent):
        return message_kernel.exchange(neighbors, filters, sent).square()

    assert torch.autograd.gradcheck(exchange, (filters, sent))
    assert torch.autograd.gradgradcheck(exchange, (filters, sent))


@needs_compiler
def test_a_gradient_by_the_state_alone_makes_none_by_the_filters(monkeypatch):
    neighbors, filters, sent = posed((4, 3))
    filters.requires_grad_()
    sent.requires_grad_()
    heard, called = message_kernel.exchange(neighbors, filters, sent), []
    run = message_kernel._run
    monkeypatch.setattr(message_kernel, "_run", lambda name, *rest: called.append(name) or run(name, *rest))
    torch.autograd.grad(heard.sum(), sent, retain_graph=True)
    assert called == ["exchange"]
    torch.autograd.grad(heard.sum(), (filters, sent))
    assert sorted(called) == ["exchange", "exchange", "filter_gradient"]


@needs_compiler
@pytest.mark.parametrize("wrong", [-1, 7, 2**40])
def test_entries_that_point_out_of_the_rows_are_refused(wrong):
    neighbors, filters, sent = posed((4, 3))
    neighbors.index[2, 1] = wrong
    with torch.no_grad(), pytest.raises(IndexError, match="out of the rows"):
        message_kernel.exchange(neighbors, filters, sent)


@needs_compiler
@pytest.mark.parametrize("layers", [0, 3])
def test_a_network_is_the_same_with_and_without(layers, structures, monkeypatch):
    store = store_of(list(structures.values()))
    batch = ImageBatch.from_store(store, np.arange(len(store)))
    outcomes = {}
    for large in (1, 2**60):
        monkeypatch.setattr(message_cell, "LARGE", large)
        net = network("message", layers=layers)
        output = net(batch)
        (output.scores.square().sum() + output.quantiles.sum()).backward()
        gradients = torch.cat([p.grad.flatten() for p in net.parameters() if p.grad is not None])
        outcomes[large] = torch.cat([output.scores.detach().flatten(), gradients])
    assert torch.allclose(outcomes[1], outcomes[2**60], rtol=1e-3, atol=1e-5)
    assert len(outcomes[1]) > 1000


@needs_compiler
def test_small_states_and_other_precisions_take_the_reference(structures, monkeypatch):
    store = store_of(list(structures.values()))
    batch = ImageBatch.from_store(store, np.arange(len(store)))
    called = []
    run = message_kernel._run
    monkeypatch.setattr(message_kernel, "_run", lambda name, *rest: called.append(name) or run(name, *rest))
    net = network("message")
    with torch.no_grad():
        net(batch)
        assert called == []
        monkeypatch.setattr(message_cell, "LARGE", 1)
        with torch.autocast("cpu", torch.bfloat16):
            net(batch)
        assert called == []
        net(batch)
    assert set(called) == {"exchange"}


@needs_compiler
def test_recorded_operations_batched_gradients_and_lazy_signs_take_the_reference(monkeypatch):
    from torch.fx.experimental.proxy_tensor import make_fx

    monkeypatch.setattr(message_cell, "LARGE", 1)
    neighbors, filters, sent = posed((4, 3), width=5)
    x = message_cell.MessageInput(sent, filters, neighbors, *torch.randn(2, 5, 5, dtype=torch.float64))
    cell = message_cell.MessageCell(5, 0.9)
    first, second = torch.randn(2, 7, 5, dtype=torch.float64)
    with torch.no_grad():
        for record in (lambda f: torch.jit.trace(f, (first,), check_trace=False), lambda f: make_fx(f)(first)):
            assert torch.allclose(record(lambda z: cell(z, x))(second), cell(second, x))
        negative = x._replace(filters=torch._neg_view(filters))
        assert torch.allclose(cell(first, negative), cell(first, x._replace(filters=-filters)))
    inputs = [first.requires_grad_(), filters.requires_grad_()]
    out = cell(first, x)
    given = torch.randn(2, *out.shape, dtype=torch.float64)
    together = torch.autograd.grad(out, inputs, given, is_grads_batched=True, retain_graph=True)
    for k in range(2):
        alone = torch.autograd.grad(out, inputs, given[k], retain_graph=True)
        assert all(torch.allclose(a[k], b) for a, b in zip(together, alone, strict=True))


@needs_compiler
def test_sizes_that_do_not_fit_are_refused():
    neighbors, filters, sent = posed((4, 3))
    for wrong in ((filters[:3], sent), (filters[:, :1], sent), (filters, sent[:5]), (filters, sent[:, :2])):
        with torch.no_grad(), pytest.raises(ValueError, match="do not fit"):
            message_kernel.exchange(neighbors, *wrong)


def found_in(folder, monkeypatch, **environment):
    """What a fresh search finds."""
    monkeypatch.setenv("ANDERSONN_CACHE", str(folder))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return message_kernel._found.__wrapped__()


@needs_compiler
def test_code_is_compiled_once_and_kept(tmp_path, monkeypatch):
    calls = []
    run = launch.tool
    monkeypatch.setattr(launch, "tool", lambda *a: calls.append(a) or run(*a))
    assert found_in(tmp_path, monkeypatch)[1] is None
    assert found_in(tmp_path, monkeypatch)[1] is None
    assert len(calls) == 1
    (kept,) = (tmp_path / "compiled").glob("message_kernel-*.so")
    assert kept.stat().st_mode & 0o077 == 0


@pytest.mark.skipif(sys.platform == "win32", reason="no compiler is looked for")
@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"CC": "no-such-compiler"}, "there is no no-such-compiler"),
        ({"CC": '"gcc'}, "No closing quotation"),
        ({"CC": "false"}, "cannot be compiled"),
        ({"ANDERSONN_KERNEL": "0"}, "ANDERSONN_KERNEL is 0"),
    ],
)
def test_where_it_cannot_be_had_the_reason_is_told(environment, reason, tmp_path, monkeypatch):
    library, why = found_in(tmp_path, monkeypatch, **environment)
    assert library is None
    assert reason in why


@pytest.mark.skipif(sys.platform == "win32", reason="no compiler is looked for")
def test_a_compiler_that_writes_no_library_is_told(tmp_path, monkeypatch):
    script = tmp_path / "cc"
    script.write_text('#!/bin/sh\nwhile [ "$1" != "-o" ]; do shift; done\necho nothing > "$2"\n')
    script.chmod(0o700)
    library, why = found_in(tmp_path, monkeypatch, CC=str(script))
    assert library is None
    assert "cannot be compiled" in why


@needs_compiler
def test_code_that_gives_wrong_sums_is_not_used(tmp_path, monkeypatch):
    wrong = tmp_path / "message_kernel.c"
    wrong.write_text(message_kernel.SOURCE.read_text().replace("to_there[d] += filter[d]", "to_there[d] -= filter[d]"))
    monkeypatch.setattr(message_kernel, "SOURCE", wrong)
    library, why = found_in(tmp_path, monkeypatch)
    assert library is None
    assert "wrong sums" in why


@pytest.mark.skipif(sys.platform == "win32", reason="no compiler is looked for")
@pytest.mark.parametrize(
    ("compiler", "reason"),
    [
        ("no script", "cannot be run: Exec format error"),
        ("#!/no/such/shell\n", "cannot be run: No such file"),
        ("#!/bin/sh\n", "writes nothing"),
        ('#!/bin/sh\necho "int other;" > x.c\ncc -shared -fPIC -o library.so x.c\n', "exchange_f32"),
    ],
)
def test_a_compiler_that_cannot_run_or_makes_something_else(compiler, reason, tmp_path, monkeypatch):
    script = tmp_path / "mycc"
    script.write_text(compiler)
    script.chmod(0o700)
    library, why = found_in(tmp_path / "cache", monkeypatch, CC=str(script))
    assert library is None
    assert reason in why
    assert list((tmp_path / "cache/compiled").iterdir()) == []


@needs_compiler
@pytest.mark.parametrize("damage", [0, 100, 4096, 8192, "bits", "other"])
def test_damaged_code_is_compiled_anew(damage, tmp_path, monkeypatch):
    """Loading a cut library would end the process with a bus error: this test runs in a process that lives on."""
    assert found_in(tmp_path, monkeypatch)[1] is None
    (kept,) = (tmp_path / "compiled").glob("*.so")
    code = kept.read_bytes()
    flipped = code[:5000] + bytes(255 - byte for byte in code[5000:5100]) + code[5100:]
    kept.unlink()  # not written over: this process has it in its memory
    kept.write_bytes(code[:damage] if isinstance(damage, int) else flipped if damage == "bits" else b"text")
    kept.chmod(0o700)
    assert found_in(tmp_path, monkeypatch)[1] is None
    assert kept.read_bytes() == code
    assert list((tmp_path / "compiled").iterdir()) == [kept]


@needs_compiler
def test_code_of_another_processor_or_that_others_can_write_is_left_alone(tmp_path, monkeypatch):
    assert found_in(tmp_path, monkeypatch)[1] is None
    (kept,) = (tmp_path / "compiled").glob("*.so")
    kept.chmod(0o777)
    assert found_in(tmp_path, monkeypatch)[1] is None
    assert kept.stat().st_mode & 0o077 == 0
    monkeypatch.setattr("andersonn.io.compiled._processor", lambda: "flags: other")
    assert found_in(tmp_path, monkeypatch)[1] is None
    assert len(list((tmp_path / "compiled").glob("*.so"))) == 2


@needs_compiler
@pytest.mark.parametrize(("mode", "used"), [(0o777, False), (0o1777, True), (0o755, True)])
def test_a_folder_that_others_could_replace_is_not_used(mode, used, tmp_path, monkeypatch):
    (tmp_path / "all").mkdir()
    (tmp_path / "all").chmod(mode)
    (tmp_path / "link").symlink_to(tmp_path / "all")
    for folder in ("all/cache", "link/cache"):
        library, why = found_in(tmp_path / folder, monkeypatch)
        assert (library is not None) is used
        assert used or "others can write" in why


@needs_compiler
@pytest.mark.parametrize("mode", [0o770, 0o707])
def test_code_that_others_could_have_written_is_not_loaded(mode, tmp_path, monkeypatch):
    assert found_in(tmp_path, monkeypatch)[0] is not None
    (tmp_path / "compiled").chmod(mode)
    library, why = found_in(tmp_path, monkeypatch)
    assert library is None
    assert "others can write" in why


@needs_compiler
def test_no_compiler_of_the_current_folder_is_run(tmp_path, monkeypatch):
    here = tmp_path / "here"
    here.mkdir()
    for name in ("cc", "gcc", "clang", "as", "ld"):
        (here / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\nexit 1\n")
        (here / name).chmod(0o700)
    monkeypatch.chdir(here)
    monkeypatch.setenv("PATH", os.pathsep.join(["", ".", str(here), os.environ["PATH"]]))
    assert found_in(tmp_path / "cache", monkeypatch)[1] is None
    assert not (tmp_path / "ran").exists()


def test_a_compiler_that_does_not_end_is_told(tmp_path, monkeypatch):
    script = tmp_path / "cc"
    script.write_text("#!/bin/sh\nexec sleep 60\n")
    script.chmod(0o700)
    monkeypatch.setattr("andersonn.io.compiled.LONGEST", 0.1)
    assert "took more than 0.1 s" in found_in(tmp_path, monkeypatch, CC=str(script))[1]
