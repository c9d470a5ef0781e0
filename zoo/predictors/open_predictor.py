"""The best of what can answer for a model here."""

from zoo.extras import importing
from zoo.package import Package
from zoo.package.timings import Serving
from zoo.predictors import Predictor
from zoo.predictors.onnx import OnnxPredictor


def open_predictor(package: Package) -> Predictor:
    """ONNX Runtime where the model directory has an ONNX file in the precision that it is served in, else PyTorch.

    Raises:
        MissingDependencyError: what would compute is not installed.
    """
    if package.onnx(Serving.read(package).precision):
        return OnnxPredictor.open(package)
    with importing("torch", f"{package.config.name} has no ONNX file, and without one it"):
        from zoo.predictors.torch import TorchPredictor
    return TorchPredictor.open(package)
