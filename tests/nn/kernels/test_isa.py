"""Other instruction sets, thread pools and BLAS compute the same: the same bits where a machine can."""

import os
import subprocess
import sys

import numpy as np
import pytest

from sparkdl.kernel import _best_isa
from sparkdl.nn.kernels import gemm

CODE = """
import sys
import numba
import numpy as np
from sparkdl.nn.kernels import gemm
from sparkdl.nn.kernels.blas import blas_name, sgemm
a, b = (np.load(f"{sys.argv[1]}/{name}.npy") for name in "ab")
c, d = np.empty((2, len(a), b.shape[1]), a.dtype)
gemm.matmul(c, a, b)
one, (m, k), n = np.float32(1), a.shape, b.shape[1]
sgemm(0, 0, *map(np.int32, (m, n, k)), one, a.ctypes.data, np.int32(k), b.ctypes.data, np.int32(n), one - one,
      d.ctypes.data, np.int32(n))
np.save(sys.argv[1] + "/c.npy", c)
np.save(sys.argv[1] + "/d.npy", d)
print(numba.threading_layer(), blas_name())
"""


@pytest.mark.parametrize(
    "env",
    [
        {"SPARKDL_ISA": "plain"},
        {"SPARKDL_ISA": "avx2"},
        {"NUMBA_THREADING_LAYER": "workqueue", "SPARKDL_BLAS": "scipy"},  # as where neither TBB nor MKL is installed
    ],
    ids=str,
)
def test_other_machines(env, tmp_path):
    isa = env.get("SPARKDL_ISA", _best_isa())
    if isa == "avx2" and _best_isa() == "plain":
        pytest.skip("this CPU has no AVX2")
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((37, 300), dtype=np.float32), rng.standard_normal((300, 83), dtype=np.float32)
    np.save(tmp_path / "a.npy", a)
    np.save(tmp_path / "b.npy", b)
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(tmp_path)],
        env={**os.environ, **env},
        check=True,
        capture_output=True,
        text=True,
    )
    pool, blas = done.stdout.split()
    assert pool == env.get("NUMBA_THREADING_LAYER", pool) and blas == env.get("SPARKDL_BLAS", blas)
    here = np.empty((37, 83), np.float32)
    gemm.matmul(here, a, b)
    for name in "cd":
        np.testing.assert_allclose(np.load(tmp_path / f"{name}.npy"), a.astype(np.float64) @ b, atol=1e-4)
    if isa == _best_isa() or _best_isa() == "avx512" and isa == "avx2":
        assert np.array_equal(np.load(tmp_path / "c.npy"), here)
