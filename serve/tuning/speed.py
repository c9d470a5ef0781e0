"""`zoo speed`: inference speed of a model's ONNX files on this machine, with each installed engine."""

from serve.settings import MAX_BATCH
from serve.tuning.stopwatch import Setting, Stopwatch
from serve.tuning.tune import Measure
from zoo.machine import cores
from zoo.package import Package
from zoo.package.timings import Speed
from zoo.predictors.choice import executions_of
from zoo.predictors.cuda_session import choose_device
from zoo.predictors.file_predictor import require_onnx
from zoo.predictors.open_execution import open_execution
from zoo.predictors.openvino import openvino_version
from zoo.runtime import Device, Execution, Runtime


def measure_speed(
    package: Package, device: Device = "auto", threads: int = 0, seconds: float = 1.0, measure: Measure | None = None
) -> dict[Execution, Speed]:
    """Measure a model alternately with all installed engines and in all precisions, with the default options, for one
    image and for the server's default batch on the device; nothing is written.

    Arguments:
        package: model directory.
        device: `cuda` fails if there is none; `auto` uses CUDA if it works, else the CPU.
        threads: number of CPU threads; 0 for one per core.
        seconds: measuring time of each execution at each batch size.
        measure: measuring function; None for a `Stopwatch`.

    Raises:
        PackageError: there is no ONNX file, or one is damaged or was exported from other weights.
        DeviceError, MissingDependencyError: as for `OnnxPredictor`.
    """
    if not package.precisions:
        require_onnx(package, "fp32")
    import onnxruntime

    device = choose_device(device)
    executions = package.precisions if device == "cuda" else executions_of(package)
    opened = {one: open_execution(package, one, device, threads, Runtime()) for one in executions}
    described = {one: (each.onnx_sha256, each.device, each.processor) for one, each in opened.items()}
    del opened
    threads = threads or cores()
    measure = measure or Stopwatch(package, device, threads, seconds)
    times = measure([Setting(one, Runtime()) for one in described], (1, MAX_BATCH[device]))
    return {
        one: Speed(digest, name, processor, threads, onnxruntime.__version__, {**own}, openvino_version(one))
        for (one, (digest, name, processor)), own in zip(described.items(), times, strict=True)
    }
