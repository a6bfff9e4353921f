"""Kernels: the decorator, the cache, elementwise loops over any strides, pairing, the table."""

import os
import subprocess
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from sparkdl import kernel
from sparkdl.errors import ShapeError, UnsupportedError
from tests.kernelcases import axpy, negated, summed

SHAPES = [(), (1,), (7,), (0, 3), (3, 5), (2, 3, 5, 4), (2, 1, 3, 1, 2)]


def layouts(shape, dtype, rng):
    """The same values in different places in memory."""
    x = rng.standard_normal(shape).astype(dtype)
    yield x
    if x.ndim:
        yield np.asfortranarray(x)
        yield x.copy()[::-1]
        wide = np.zeros([2 * n + 3 for n in shape], dtype)
        yield wide[tuple(slice(1, 2 * n + 1, 2) for n in shape)]
        yield wide[tuple(slice(1, n + 1) for n in shape)]
        yield np.moveaxis(np.zeros(shape[1:] + shape[:1], dtype), -1, 0)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_elementwise_over_any_strides(shape, dtype):
    rng = np.random.default_rng(0)
    for out in layouts(shape, dtype, rng):
        if out.ndim == 0:
            out = out.reshape(())
        for x in layouts(shape, dtype, rng):
            y = rng.standard_normal(shape).astype(dtype)
            axpy(out, x, y, 3)
            np.testing.assert_allclose(out, 3 * x + y, rtol=1e-5 if dtype is np.float32 else 1e-12, atol=1e-6)
            assert out.dtype == dtype


def test_elementwise_in_place_and_into_a_halo():
    wide = np.zeros((2, 6, 6, 5), np.float32)
    inner = wide[:, 1:-1, 1:-1].transpose(0, 3, 1, 2)
    x = np.arange(2 * 5 * 4 * 4, dtype=np.float32).reshape(2, 5, 4, 4)
    negated(inner, x)
    negated(inner, inner)
    assert np.array_equal(inner, x)
    assert wide.sum() == x.sum()


def test_elementwise_broadcasts_vectors():
    out = np.empty((3, 4), np.float32)
    axpy(out, np.ones((3, 4), np.float32), np.arange(4, dtype=np.float32), 2)
    assert np.array_equal(out, np.tile(np.float32([2, 3, 4, 5]), (3, 1)))


def test_elementwise_more_separate_axes_than_the_loop_has():
    x = np.random.default_rng(1).standard_normal((4, 4, 4, 4, 4, 4))
    part = x[::2, ::2, ::2, ::2, ::2, ::2]
    out = np.empty_like(part)
    negated(out, part)
    assert np.array_equal(out, -part)


def test_elementwise_large_arrays_use_all_threads_and_give_the_same_bits():
    x = np.random.default_rng(2).standard_normal((300, 1001), dtype=np.float32)
    out, one = np.empty_like(x), np.empty_like(x)
    before = kernel.num_threads()
    axpy(out, x, x, 3)
    kernel.set_num_threads(1)
    try:
        axpy(one, x, x, 3)
    finally:
        kernel.set_num_threads(before)
    assert np.array_equal(out, one)
    strided = np.empty((300, 2002), np.float32)[:, ::2]
    axpy(strided, x, x, 3)
    assert np.array_equal(strided, one)


def test_elementwise_refuses_shapes_that_do_not_fit():
    with pytest.raises(ShapeError, match=r"\(3,\).*\(4,\)"):
        negated(np.empty(4), np.empty(3))


def test_a_kernel_with_loops_of_its_own():
    assert summed(np.arange(10.0)) == 45


def test_a_closure_is_refused():
    with pytest.raises(TypeError, match="top-level"):
        kernel.njit(lambda x: x)


class OnDevice:
    __cuda_array_interface__ = {"version": 3}
    size = 6


class Launched:
    """Stands for a ``cuda.jit`` kernel: one dimension, configured by the number of elements."""

    def __init__(self):
        self.calls = []

    def forall(self, n):
        return lambda *args: self.calls.append((n, args))


def test_pairs_pick_by_the_first_arguments_device():
    launched, x = Launched(), OnDevice()
    pair = kernel.Kernel(lambda *args: "cpu", launched)
    assert pair(np.zeros(3), 1) == "cpu"
    pair(x, 1)
    assert launched.calls == [(6, (x, 1))]
    with pytest.raises(UnsupportedError, match="no CUDA body"):
        kernel.Kernel(len)(x)


def test_threads_are_checked():
    with pytest.raises(ValueError, match="expected 1 to"):
        kernel.set_num_threads(0)


CHILD = """
import sys
from types import SimpleNamespace
sys.path.insert(0, sys.argv[1])
import probe.kernels as k
print(k.caller(1.0), len(k.caller.stats.cache_hits), len(k.caller.stats.cache_misses))
"""


def run(root, cache):
    done = subprocess.run(
        [sys.executable, "-c", CHILD.replace("probe", "sparkdl.probe"), str(root)],
        env={"SPARKDL_CACHE_DIR": str(cache), "PATH": ""}, capture_output=True, text=True, check=True,
    )
    value, hits, misses = done.stdout.split()
    return float(value), int(hits), int(misses)


def test_the_cache_moves_with_the_package_and_sees_changes_in_callees(tmp_path):
    import shutil
    from pathlib import Path

    import sparkdl

    source = Path(sparkdl.__file__).parent
    first, second = tmp_path / "a" / "sparkdl", tmp_path / "b" / "sparkdl"
    (first / "probe").mkdir(parents=True)
    for name in ("__init__", "_lazy", "errors", "kernel", "kernelcache", "elementwise"):
        shutil.copy(source / f"{name}.py", first)
    (first / "probe" / "__init__.py").write_text("")
    (first / "probe" / "inner.py").write_text(
        "from sparkdl.kernel import njit\n@njit\ndef inner(x):\n    return x + 1\n"
    )
    (first / "probe" / "kernels.py").write_text(
        "from sparkdl.kernel import njit\nfrom sparkdl.probe.inner import inner\n"
        "@njit\ndef caller(x):\n    return inner(x)\n"
    )
    cache = tmp_path / "cache"
    assert run(first.parent, cache) == (2.0, 0, 1)
    assert run(first.parent, cache) == (2.0, 1, 0)
    shutil.copytree(first, second)
    assert run(second.parent, cache) == (2.0, 1, 0)
    inner = second / "probe" / "inner.py"
    inner.write_text(inner.read_text().replace("x + 1", "x + 2"))
    assert run(second.parent, cache) == (3.0, 0, 1)
    assert cache.stat().st_mode & 0o077 == 0
    children = [threading.Thread(target=run, args=(first.parent, tmp_path / "shared")) for _ in range(3)]
    for child in children:  # they compile at the same time
        child.start()
    for child in children:
        child.join()
    assert run(first.parent, tmp_path / "shared") == (2.0, 1, 0)


@pytest.fixture
def probe(tmp_path, monkeypatch):
    """A module that imports another one, both outside the package; and ``sources`` as a new process finds it."""
    from sparkdl import kernelcache

    monkeypatch.setattr(kernelcache, "folder", lambda: tmp_path)
    for name, source in (("probe_inner", "one = 1"), ("probe_outer", "import probe_inner")):
        path = tmp_path / f"{name}.py"
        path.write_text(f"import numba\n{source}\n")
        monkeypatch.setitem(sys.modules, name, SimpleNamespace(__file__=str(path)))

    def sources():
        for each in (kernelcache.sources, kernelcache._kernel_source, kernelcache._known_imports):
            each.cache_clear()
        return kernelcache.sources("probe_outer")

    yield tmp_path, sources
    kernelcache._known_imports.cache_clear()


def test_imports_of_kernels_are_parsed_once_for_all_processes(probe, monkeypatch):
    from sparkdl import kernelcache

    _, sources = probe
    first = sources()
    monkeypatch.setattr(kernelcache, "_imports", lambda source: pytest.fail("parsed again"))
    assert sources() == first


def test_a_change_of_the_same_length_and_time_is_seen(probe):
    folder, sources = probe
    first, inner = sources(), folder / "probe_inner.py"
    time = inner.stat().st_mtime_ns
    inner.write_text(inner.read_text().replace("1", "2"))
    os.utime(inner, ns=(time, time))
    assert sources() != first
    inner.write_text(inner.read_text().replace("2", "1"))
    assert sources() == first


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\x00", b'{"a": 3}'])
def test_a_broken_list_of_imports_costs_nothing_but_time(probe, content):
    folder, sources = probe
    first = sources()
    (folder / "imports.json").write_bytes(content)
    assert sources() == first == sources()
    assert not list(folder.glob("*.part"))


def test_old_sources_do_not_pile_up(probe, monkeypatch):
    import json

    from sparkdl import kernelcache

    folder, sources = probe
    monkeypatch.setattr(kernelcache._KnownImports, "limit", 3)
    for i in range(5):
        (folder / "probe_inner.py").write_text(f"import numba\nx = {i}\n")
        sources()
    assert len(json.loads((folder / "imports.json").read_text())) <= 3


def test_importing_the_face_imports_no_numba():
    code = "import sys, sparkdl.kernel; assert 'numba' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
