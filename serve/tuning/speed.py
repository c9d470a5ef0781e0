"""`zoo speed`: inference speed of each ONNX file of a model on this machine."""

from serve.settings import MAX_BATCH
from serve.tuning.stopwatch import Setting, Stopwatch
from serve.tuning.tune import Measure
from zoo.machine import cores
from zoo.package import Package
from zoo.package.timings import Speed
from zoo.predictors.cuda_session import choose_device
from zoo.predictors.onnx import OnnxPredictor, require_onnx
from zoo.runtime import Device, Precision, Runtime


def measure_speed(
    package: Package, device: Device = "auto", threads: int = 0, seconds: float = 1.0, measure: Measure | None = None
) -> dict[Precision, Speed]:
    """Measure a model alternately in all its precisions, with the default options, for one image and for the server's
    default batch on the device; nothing is written.

    Arguments:
        package: model directory.
        device: `cuda` fails if there is none; `auto` uses CUDA if it works, else the CPU.
        threads: number of CPU threads; 0 for one per core.
        seconds: measuring time of each precision at each batch size.
        measure: measuring function; None for a `Stopwatch`.

    Raises:
        PackageError: there is no ONNX file, or one is damaged or was exported from other weights.
        DeviceError, MissingDependencyError: as for `OnnxPredictor`.
    """
    if not package.precisions:
        require_onnx(package, "fp32")
    import onnxruntime

    device = choose_device(device)
    opened = {one: OnnxPredictor.open(package, device, threads, one, Runtime()) for one in package.precisions}
    described = {one: (each.onnx_sha256, each.device, each.processor) for one, each in opened.items()}
    del opened
    threads = threads or cores()
    measure = measure or Stopwatch(package, device, threads, seconds)
    times = measure([Setting(one, Runtime()) for one in described], (1, MAX_BATCH[device]))
    return {
        one: Speed(digest, name, processor, threads, onnxruntime.__version__, {**own})
        for (one, (digest, name, processor)), own in zip(described.items(), times, strict=True)
    }
