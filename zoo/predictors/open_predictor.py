"""Choice of the predictor for a model directory."""

import logging
from importlib.util import find_spec

from zoo.errors import NoEmbeddingError
from zoo.extras import importing
from zoo.hub import reference_of
from zoo.outputs import EMBEDDING
from zoo.package import WEIGHTS_FILE, Package
from zoo.predictors import Predictor
from zoo.predictors.choice import choose_execution
from zoo.predictors.cuda_session import choose_device
from zoo.predictors.file_predictor import FilePredictor
from zoo.predictors.open_execution import open_execution
from zoo.runtime import EXECUTIONS

_log = logging.getLogger(__name__)


def open_predictor(package: Package) -> Predictor:
    """Open a model by `choose_execution` if it has the ONNX file for this device, otherwise with PyTorch.

    Raises:
        MissingDependencyError: the required runtime is not installed.
    """
    if package.precisions:
        execution = choose_execution(package, device := choose_device("auto"))
        if package.onnx(EXECUTIONS[execution].file):
            return open_execution(package, execution, device)
    with importing("torch", f"{package.config.name} has no ONNX file, and without one it"):
        from zoo.predictors.torch import TorchPredictor
    return TorchPredictor.open(package)


def open_embedder(package: Package) -> Predictor:
    """Open a model for embeddings: as `open_predictor`, but with PyTorch if its ONNX file has none.

    Raises:
        NoEmbeddingError: the ONNX file was exported by an earlier version, and PyTorch or the weights are missing.
        MissingDependencyError: the required runtime is not installed.
    """
    predictor = open_predictor(package)
    if not isinstance(predictor, FilePredictor) or EMBEDDING in predictor.declared.outputs:
        return predictor
    lacking = NoEmbeddingError(reference_of(package))
    if find_spec("torch") is None or not (package.path / WEIGHTS_FILE).is_file():
        raise lacking
    from zoo.predictors.torch import TorchPredictor

    _log.warning("computing with PyTorch: %s", lacking)
    return TorchPredictor.open(package)
