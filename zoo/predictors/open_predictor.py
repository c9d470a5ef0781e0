"""Choice of the predictor for a model directory."""

from zoo.extras import importing
from zoo.package import Package
from zoo.package.timings import Serving
from zoo.predictors import Predictor
from zoo.predictors.onnx import OnnxPredictor


def open_predictor(package: Package) -> Predictor:
    """Open a model with ONNX Runtime if it has an ONNX file in its serving precision, otherwise with PyTorch.

    Raises:
        MissingDependencyError: the required runtime is not installed.
    """
    if package.onnx(Serving.read(package).precision):
        return OnnxPredictor.open(package)
    with importing("torch", f"{package.config.name} has no ONNX file, and without one it"):
        from zoo.predictors.torch import TorchPredictor
    return TorchPredictor.open(package)
