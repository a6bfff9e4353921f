"""Other instruction sets and thread pools compute the same: the same bits where a machine can."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sparkdl.kernel import _best_isa
from sparkdl.nn.kernels import gemm

CODE = """
import sys
import numba
import numpy as np
from sparkdl.nn.kernels import gemm
a, b = (np.load(f"{sys.argv[1]}/{name}.npy") for name in "ab")
c = np.empty((len(a), b.shape[1]), a.dtype)
gemm.matmul(c, a, b)
np.save(sys.argv[1] + "/c.npy", c)
print(numba.threading_layer())
"""


TRAINED = """
import sys
sys.path.insert(0, sys.argv[1])
import oracle, samebits
print(samebits.train("normalised", oracle.data(60), threads=1))
"""


@pytest.mark.skipif(_best_isa() != "avx512", reason="this CPU has no AVX-512 to compare AVX2 with")
def test_training_has_the_same_bits_with_shorter_vectors():
    folder = Path(__file__).parents[2] / "optim"
    found = {
        isa: subprocess.run(
            [sys.executable, "-c", TRAINED, str(folder)],
            env={**os.environ, "SPARKDL_ISA": isa}, check=True, capture_output=True, text=True,
        ).stdout
        for isa in ("avx2", "avx512")
    }  # fmt: skip
    assert found["avx2"] == found["avx512"]


@pytest.mark.parametrize(
    "env",
    [
        {"SPARKDL_ISA": "plain"},
        {"SPARKDL_ISA": "avx2"},
        {"NUMBA_THREADING_LAYER": "workqueue"},  # as where TBB is not installed
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
    pool = done.stdout.strip()
    assert pool == env.get("NUMBA_THREADING_LAYER", pool)
    here = np.empty((37, 83), np.float32)
    gemm.matmul(here, a, b)
    np.testing.assert_allclose(np.load(tmp_path / "c.npy"), a.astype(np.float64) @ b, atol=1e-4)
    if isa == _best_isa() or _best_isa() == "avx512" and isa == "avx2":
        assert np.array_equal(np.load(tmp_path / "c.npy"), here)
