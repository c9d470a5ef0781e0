"""Opening of a model's ONNX file with the engine of an execution."""

from contextlib import nullcontext

from zoo.errors import DeviceError
from zoo.package import Package
from zoo.predictors.cuda_session import CudaOptions
from zoo.predictors.file_predictor import FilePredictor, ThreadShare
from zoo.predictors.onnx import OnnxPredictor
from zoo.predictors.openvino import OpenVinoPredictor
from zoo.runtime import EXECUTIONS, Device, Execution, Runtime


def open_execution(
    package: Package,
    execution: Execution,
    device: Device = "auto",
    threads: int = 0,
    runtime: Runtime | None = None,
    share: ThreadShare = nullcontext,
    require_verified: bool = True,
    cuda: CudaOptions = CudaOptions(),
) -> FilePredictor:
    """Open the ONNX file of a model directory with an engine and precision; the other arguments and errors as for
    `OnnxPredictor.open`. OpenVINO computes on the CPU only.
    """
    method = EXECUTIONS[execution]
    if method.engine == "onnxruntime":
        return OnnxPredictor.open(package, device, threads, method.file, runtime, share, require_verified, cuda)
    if device == "cuda":
        raise DeviceError(f"{execution} was requested on CUDA, but OpenVINO computes on the CPU only: use --device cpu")
    return OpenVinoPredictor.open(package, execution, threads, runtime, share, require_verified)
