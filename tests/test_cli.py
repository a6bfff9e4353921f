"""The command: what it prints, where it writes, and its one line of error."""

import numpy as np
import pytest

from sparkdl import __version__, nn
from sparkdl.cli import main

PROTOTXT = """
name: "small"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 4 } }
"""


@pytest.fixture
def saved(tmp_path):
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    net.save(tmp_path / "net")
    return tmp_path / "net"


def test_another_package_that_hides_this_one_is_named(tmp_path):
    import subprocess
    import sys
    from pathlib import Path

    (tmp_path / "sparkdl").mkdir()
    (tmp_path / "sparkdl" / "__init__.py").write_text("raise ImportError('tensorflow is missing')")
    root = Path(__file__).parents[1]
    run = [sys.executable, "-c", "import sys, sparkdl_command; sys.exit(sparkdl_command.main())", "--version"]
    done = subprocess.run(run, capture_output=True, text=True, env={"PYTHONPATH": f"{tmp_path}:{root}"}, cwd=tmp_path)
    assert done.returncode == 1
    assert str(tmp_path / "sparkdl") in done.stderr and "pip uninstall sparkdl" in done.stderr
    done = subprocess.run(run, capture_output=True, text=True, env={"PYTHONPATH": str(root)}, cwd=root)
    assert (done.returncode, done.stdout.strip()) == (0, __version__)


def test_version(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out.strip() == __version__


def test_summary_of_a_saved_model_names_its_layers(saved, capsys):
    assert main(["summary", str(saved)]) == 0
    assert "Linear" in capsys.readouterr().out
    assert main(["summary", str(saved), "--shape", "3"]) == 0
    assert "26" in capsys.readouterr().out  # 3 * 4 + 4 + 4 * 2 + 2 parameters


def test_convert_writes_a_model_that_loads_and_computes_the_same(tmp_path, capsys):
    (tmp_path / "small.prototxt").write_text(PROTOTXT)
    assert main(["convert", str(tmp_path / "small.prototxt"), str(tmp_path / "out")]) == 0
    assert "16 parameters" in capsys.readouterr().out
    net = nn.load(tmp_path / "out")
    weight, bias = (array for _, array in sorted(net.state_dict().items(), reverse=True))
    x = np.float32([[1, 2, 3]])
    np.testing.assert_allclose(net.predict(x), x @ weight.T + bias, rtol=1e-6)


@pytest.mark.parametrize("name, said", [("none.h5", "does not exist"), ("file.xyz", "the ending '.xyz' is not known")])
def test_a_file_that_cannot_be_read_is_one_line_of_error(name, said, tmp_path, capsys):
    (tmp_path / "file.xyz").write_text("")
    assert main(["summary", str(tmp_path / name)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("sparkdl summary: ") and said in error and error.count("\n") == 1


def test_a_shape_that_is_none_is_refused(saved, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["summary", str(saved), "--shape", "3,x"])
    assert "expected whole numbers" in capsys.readouterr().err


def test_summary_and_convert_of_model_files_of_each_format(tmp_path, capsys):
    from sparkdl.importers import load_caffe, load_keras
    from sparkdl.importers.fuzz_seeds import write_seeds

    prototxt, weights = (*write_seeds("prototxt", tmp_path), *write_seeds("caffemodel", tmp_path))
    (described,) = write_seeds("keras-json", tmp_path)
    whole = write_seeds("keras-hdf5", tmp_path)  # none without h5py
    files = [(prototxt, ["--weights", str(weights)], lambda: load_caffe(prototxt, weights)), (described, [], None)]
    files += [(path, [], lambda path=path: load_keras(path)) for path in whole]
    for number, (path, options, load) in enumerate(files):
        assert main(["summary", str(path), *options]) == 0
        assert "Conv2d" in capsys.readouterr().out
        assert main(["convert", str(path), str(tmp_path / str(number)), *options]) == 0
        assert "parameters" in capsys.readouterr().out
        net = nn.load(tmp_path / str(number))
        if load is not None:
            shape = (2, 3, 6, 6) if path is prototxt else (2, 8, 8, 3)
            x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
            np.testing.assert_array_equal(net.eval()(x), load()(x))
