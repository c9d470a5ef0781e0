"""Choice of the predictor for a model directory."""

from zoo.extras import importing
from zoo.package import Package
from zoo.predictors import Predictor
from zoo.predictors.cuda_session import choose_device
from zoo.predictors.onnx import OnnxPredictor, choose_precision


def open_predictor(package: Package) -> Predictor:
    """Open a model with ONNX Runtime if it has an ONNX file in the precision for this device, otherwise with PyTorch.

    Raises:
        MissingDependencyError: the required runtime is not installed.
    """
    if package.precisions and package.onnx(choose_precision(package, choose_device("auto"))):
        return OnnxPredictor.open(package)
    with importing("torch", f"{package.config.name} has no ONNX file, and without one it"):
        from zoo.predictors.torch import TorchPredictor
    return TorchPredictor.open(package)
