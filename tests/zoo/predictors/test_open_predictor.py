import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from zoo.hub import DEFAULT_MODEL, open_model
from zoo.outputs import OPTIONAL
from zoo.package import ONNX_FILES, SERVING_FILE, Package
from zoo.package.timings import Serving
from zoo.predictors.onnx import OnnxPredictor
from zoo.predictors.open_predictor import open_predictor
from zoo.predictors.torch import TorchPredictor


def test_onnx_runtime_where_there_is_an_onnx_file() -> None:
    assert isinstance(open_predictor(open_model(DEFAULT_MODEL)), OnnxPredictor)


def test_pytorch_where_there_is_none_in_the_precision_that_is_served(tmp_path: Path) -> None:
    ignored = shutil.ignore_patterns(ONNX_FILES["fp32"], ONNX_FILES["fp16"], SERVING_FILE)
    package = Package.open(Path(shutil.copytree(open_model("wrn16-ours").path, tmp_path / "copy", ignore=ignored)))
    assert package.precisions == ("int8",)
    assert isinstance(open_predictor(package), TorchPredictor)
    Serving("int8").write(package)
    assert isinstance(open_predictor(package), OnnxPredictor)


def test_else_pytorch(make_package: Callable[..., Package]) -> None:
    assert isinstance(open_predictor(make_package("wrn16")), TorchPredictor)


def test_both_answer_alike(tmp_path: Path) -> None:
    package = open_model(DEFAULT_MODEL)
    ignored = shutil.ignore_patterns(ONNX_FILES["fp32"], ONNX_FILES["fp16"])
    shutil.copytree(package.path, tmp_path / "copy", ignore=ignored)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 3, 32, 32), dtype=np.uint8)
    through_onnx = open_predictor(package)(pixels)
    through_torch = open_predictor(Package.open(tmp_path / "copy"))(pixels)
    assert through_torch.keys() - through_onnx.keys() <= {output.name for output in OPTIONAL}
    for name, actual in through_onnx.items():
        np.testing.assert_allclose(actual, through_torch[name], atol=0.01)  # GPUs compute convolutions in 19 bits


@pytest.mark.process
def test_without_either_it_says_what_to_install(make_package: Callable[..., Package]) -> None:
    path = make_package("wrn16").path
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from pathlib import Path\n"
        "from zoo.errors import MissingDependencyError\n"
        "from zoo.predictors.open_predictor import open_predictor\n"
        "from zoo.package import Package\n"
        "try: open_predictor(Package.open(Path(sys.argv[1])))\n"
        "except MissingDependencyError as error: print(error)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=60)
    assert "has no ONNX file, and without one it needs PyTorch" in ended.stdout, ended.stderr
    assert "pip install 'template-zoo[torch]'" in ended.stdout
