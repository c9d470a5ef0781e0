"""`zoo tune`: the fastest run-time options of a model on this machine, found by measurement."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from serve.settings import MAX_BATCH
from serve.tuning.stopwatch import Seconds, Setting, Stopwatch
from zoo.errors import PackageError
from zoo.files import require_writable, sha256, writing
from zoo.machine import cores, processor
from zoo.package import ONNX_FILES, SERVING_FILE, Package
from zoo.package.timings import Serving, Trial
from zoo.predictors.onnx import OnnxPredictor
from zoo.runtime import Device, Precision, Runtime

MARGIN = 0.03
"""A setting is faster than another, or slower, if their times differ by more than this share."""

PARTS = (1, 2, 4, 8, 16, 0)
"""Maximum images in a part; the first of those that divide a batch alike stands for all, as it also says how larger
batches would be divided."""

FINAL = "the choice against the defaults"
"""Name of the last trial, which decides."""

_REMEDY = (
    "copy the model directory to where you may write and name it as local-dir:PATH, or only measure, with --dry-run"
)

Measure = Callable[[Sequence[Setting], Sequence[int]], Sequence[Seconds]]
"""Times of different settings, measured in turn, for batches of these numbers of images: a `Stopwatch`."""

Progress = Callable[[str], object]
"""Called with a description of what is measured next."""


@dataclass(frozen=True, slots=True)
class TuningResult:
    """The result of tuning a model."""

    serving: Serving
    """To be written into its directory."""
    device: str
    """Name of the device that computed."""
    on_cuda: bool
    """There is nothing to choose there, and only the precision is new."""
    compared: Mapping[Setting, Seconds]
    """The default options in the chosen precision, the chosen ones where they are others, and these in the other
    precisions; in turn."""


def tune(
    package: Package,
    precision: Precision | None = None,
    device: Device = "auto",
    threads: int = 0,
    batch: int = MAX_BATCH,
    seconds: float = 1.0,
    measure: Measure | None = None,
    report: Progress = lambda words: None,
) -> TuningResult:
    """Find how to compute a model here; nothing is written.

    Arguments:
        package: the model directory.
        precision: of the ONNX file; None for what `serving.json` says, or single precision.
        device: `cuda` fails where there is none; `auto` takes CUDA where it works, else the CPU.
        threads: on the CPU, in all; 0 for one a core.
        batch: images in a large batch, at least 2.
        seconds: for which each setting is measured at each batch size.
        measure: None for a stopwatch.
        report: called before each measurement.

    Raises:
        PackageError: there is no ONNX file in this precision, or one that is there is damaged or of other weights.
        DeviceError, MissingDependencyError: as for `OnnxPredictor`.
    """
    before = _previous(package)
    precision = precision or before.precision
    # All are opened now, so that one that cannot be is not found out after minutes.
    predictors = [
        OnnxPredictor.open(package, device, threads, one, Runtime())
        for one in dict.fromkeys((precision, *package.precisions))
    ]
    name, on_cuda = predictors[0].device, predictors[0].on_cuda
    del predictors
    threads, digest = threads or cores(), sha256(package.path / ONNX_FILES[precision])
    measure = measure or Stopwatch(package, device, threads, seconds)
    runtime, trials = (Runtime(), ()) if on_cuda else search(measure, precision, threads, batch, report)
    report("the result")
    default, chosen = Setting(precision, Runtime()), Setting(precision, runtime)
    others = [other for other in package.precisions if other != precision]

    def compare(*settings: Setting) -> dict[Setting, Seconds]:
        return dict(zip(settings, measure(settings, (1, batch)), strict=True))

    compared = compare(*dict.fromkeys((default, chosen)), *(Setting(other, runtime) for other in others))
    if chosen != default:
        # A search may keep what only noise made faster.
        kept, reason = judge(compared[default], compared[chosen])
        times = (_by_name(compared[chosen]), _by_name(compared[default]))
        trials = (*trials, Trial(runtime, *times, kept, f"{FINAL}: {reason}"))
        if not kept:
            runtime = Runtime()
            compared = compare(default, *(Setting(other, runtime) for other in others))
    if on_cuda:
        # What was found for this file on the CPU holds there still.
        serving = replace(before if before.onnx_sha256 == digest else Serving(), precision=precision)
    else:
        import onnxruntime

        serving = Serving(precision, cores(), threads, processor(), onnxruntime.__version__, digest, runtime, trials)
    return TuningResult(serving, name, on_cuda, compared)


def search(
    measure: Measure, precision: Precision, threads: int, batch: int, report: Progress = lambda words: None
) -> tuple[Runtime, tuple[Trial, ...]]:
    """The fastest options for batches of 1 and of `batch` images, and every trial on the way.

    It starts from the defaults and changes one thing after the other; see `judge` for what is kept. How a batch is
    divided is one thing: the best size of a part depends on the number of streams.
    """
    best, trials = Runtime(), list[Trial]()

    def consider(batches: Sequence[int], name: str, **changes: Any) -> None:
        nonlocal best
        candidate = replace(best, **changes)
        report(name)
        # A busy machine makes anything the fastest once: what seems faster must be so again.
        for _ in range(2):
            against, seconds = measure((Setting(precision, best), Setting(precision, candidate)), batches)
            kept, reason = judge(against, seconds)
            if not kept:
                break
        trials.append(Trial(candidate, _by_name(seconds), _by_name(against), kept, f"{name}: {reason}"))
        if kept:
            best = candidate

    def division(runtime: Runtime) -> tuple[int, int]:
        parts = runtime.parts(batch, threads)
        return (1 if parts == 1 else runtime.on(threads).streams), parts

    seen = {division(best)}
    for streams, part in itertools.product(dict.fromkeys((0, max(threads // 2, 1), 1)), PARTS):
        candidate = Runtime(streams, part)
        if division(candidate) not in seen:
            seen.add(division(candidate))
            # A single image is computed by all threads in any case.
            consider((batch,), candidate.describe(threads), streams=streams, part=part)
    if threads > 1:
        shared = best.on(threads).streams < threads
        consider((1, batch) if shared else (1,), "no spinning", spin=False)
    consider((1, batch), "optimization extended", optimization="extended")
    consider((1, batch), "no arena", arena=False)
    return best, tuple(trials)


def judge(against: Seconds, seconds: Seconds) -> tuple[bool, str]:
    """Whether a setting is to be kept: it is faster at a batch size, and slower at none, by more than the margin.

    Returns:
        that, and the reason in words.
    """
    ratios = {batch: against[batch] / seconds[batch] for batch in seconds}
    faster = [batch for batch, ratio in ratios.items() if ratio > 1 + MARGIN]
    slower = [batch for batch, ratio in ratios.items() if ratio < 1 / (1 + MARGIN)]
    words = " and ".join(f"{ratio:.2f} times as fast at batch {batch}" for batch, ratio in ratios.items())
    if faster and slower:
        return False, f"{words}: it must not cost one what it gives to the other"
    if not faster and not slower:
        return False, f"{words}: less than {MARGIN:.0%} counts as nothing"
    return bool(faster), words


def check_writable(package: Package, name: str = SERVING_FILE) -> None:
    """Raise `InputError` if a file of this name cannot be written into a model directory."""
    require_writable(package.path, f"{name} into {package.path}", _REMEDY)


def write(serving: Serving, package: Package) -> Path:
    """Write `serving.json` into a model directory.

    Raises:
        InputError: nothing can be written there.
    """
    with writing(f"{SERVING_FILE} into {package.path}", _REMEDY):
        serving.write(package)
    return package.path / SERVING_FILE


def _previous(package: Package) -> Serving:
    try:
        return Serving.read(package)
    except PackageError:  # it is about to be replaced
        return Serving()


def _by_name(seconds: Seconds) -> dict[str, float]:
    return {str(batch): value for batch, value in seconds.items()}
