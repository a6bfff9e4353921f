"""Every instruction set computes the same: the same bits where it can add and multiply at once."""

import os
import subprocess
import sys

import numpy as np
import pytest

from sparkdl.kernel import _best_isa
from sparkdl.nn.kernels import gemm

CODE = """
import sys
import numpy as np
from sparkdl.nn.kernels import gemm
a, b = (np.load(f"{sys.argv[1]}/{name}.npy") for name in "ab")
c = np.empty((len(a), b.shape[1]), a.dtype)
gemm.matmul(c, a, b)
np.save(sys.argv[1] + "/c.npy", c)
"""


@pytest.mark.parametrize("isa", ["plain", "avx2"])
def test_other_instruction_sets(isa, tmp_path):
    if isa == "avx2" and _best_isa() == "plain":
        pytest.skip("this CPU has no AVX2")
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((37, 300), dtype=np.float32), rng.standard_normal((300, 83), dtype=np.float32)
    np.save(tmp_path / "a.npy", a)
    np.save(tmp_path / "b.npy", b)
    subprocess.run([sys.executable, "-c", CODE, str(tmp_path)], env={**os.environ, "SPARKDL_ISA": isa}, check=True)
    c, here = np.load(tmp_path / "c.npy"), np.empty((37, 83), np.float32)
    gemm.matmul(here, a, b)
    np.testing.assert_allclose(c, a.astype(np.float64) @ b, atol=1e-4)
    if isa == "avx2" and _best_isa() == "avx512":
        assert np.array_equal(c, here)
