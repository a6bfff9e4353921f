"""Importing the library costs nothing: what is heavy loads when it is first used."""

import subprocess
import sys

HEAVY = ("numba", "pyspark", "pandas", "pyarrow", "scipy", "py4j")


def test_import_loads_nothing_heavy_and_starts_nothing():
    program = (
        "import sys, sparkdl, sparkdl.nn, sparkdl.optim\n"
        f"print([name for name in {HEAVY} if name in sys.modules])\n"
        "print(open('/proc/self/task/%d/children' % __import__('os').getpid()).read())\n"
    )
    loaded, children = _run(program).splitlines()
    assert loaded == "[]"
    assert children.strip() == ""


def test_arrays_are_trained_on_without_spark_or_java():
    program = (
        "import sys, numpy as np\n"
        "from sparkdl import nn, optim\n"
        "trainer = optim.Trainer(nn.Sequential(nn.Linear(3, 1)), nn.MSELoss(), optim.SGD(lr=0.1), progress=False)\n"
        "x = np.eye(3, dtype=np.float32)\n"
        "trainer.fit((x, x[:, 0]), validation=(x, x[:, 0]))\n"
        "print([name for name in ('pyspark', 'py4j', 'pyarrow', 'pandas') if name in sys.modules])\n"
        "print(open('/proc/self/task/%d/children' % __import__('os').getpid()).read())\n"
    )
    loaded, children = _run(program).splitlines()
    assert loaded == "[]"
    assert children.strip() == ""


def test_every_public_name_of_the_package_loads():
    assert _run("import sparkdl\nfor name in sparkdl.__all__: getattr(sparkdl, name)\n") == ""


def _run(program):
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
