"""`zoo tune`: a search by measurement for how this machine computes a model fastest."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from serve.settings import MAX_BATCH
from serve.tuning.stopwatch import Seconds, Setting, Stopwatch
from zoo.errors import PackageError
from zoo.files import require_writable, writing
from zoo.machine import cores, processor
from zoo.package import SERVING_FILE, Package
from zoo.package.timings import Serving, Trial
from zoo.predictors.choice import accuracy, choose_execution, executions_of, is_acceptable
from zoo.predictors.cuda_session import choose_device
from zoo.predictors.open_execution import open_execution
from zoo.predictors.openvino import openvino_version
from zoo.runtime import EXECUTIONS, ChosenDevice, ComputePrecision, Device, Engine, Execution, Runtime

MARGIN = 0.03
"""Relative difference of times above which a setting counts as faster or slower than another."""

PARTS = (1, 2, 4, 8, 16, 0)
"""Candidates for the maximum images in a part. Of those that divide a batch in the same way, only the first is tried;
it also determines how larger batches are divided."""

FINAL = "the choice against the defaults"
"""Name of the final, decisive trial."""

_REMEDY = "copy the model directory to a writable place and pass it as local-dir:PATH, or measure only, with --dry-run"

Measure = Callable[[Sequence[Setting], Sequence[int]], Sequence[Seconds]]
"""Function that measures settings alternately at the given batch sizes, such as a `Stopwatch`."""

Progress = Callable[[str], object]
"""Callback with a description of the next measurement."""


@dataclass(frozen=True, slots=True)
class TuningResult:
    """Result of tuning a model."""

    serving: Serving
    """Content of `serving.json`."""
    execution: Execution
    """The chosen engine and precision."""
    device: str
    """Name of the device."""
    on_cuda: bool
    """Whether the device is CUDA, which has no options to tune: only the precision there may change."""
    batches: tuple[int, int]
    """Measured batch sizes."""
    compared: Mapping[Setting, Seconds]
    """Times, measured alternately, of the default options in the chosen execution, of the chosen ones if they differ,
    and of the latter in the others."""


def tune(
    package: Package,
    precision: ComputePrecision | None = None,
    device: Device = "auto",
    threads: int = 0,
    batch: int | None = None,
    seconds: float = 1.0,
    measure: Measure | None = None,
    report: Progress = lambda words: None,
    engine: Engine | None = None,
) -> TuningResult:
    """Find the fastest engine, precision and runtime options of a model on this machine; nothing is written.

    The engine and precision are the fastest with the default options, of those that are installed and keep the accuracy
    of fp32 by `zoo.predictors.choice.is_acceptable`; the options are then searched for these.

    Arguments:
        package: model directory.
        precision: precision to compute in, whatever its accuracy; None for the fastest acceptable one.
        device: `cuda` fails if there is none; `auto` uses CUDA if it works, else the CPU.
        threads: number of CPU threads; 0 for one per core.
        batch: size of the large batch, at least 2; None for the server's default on the device.
        seconds: measuring time of each setting at each batch size.
        measure: measuring function; None for a `Stopwatch`.
        report: called before each measurement.
        engine: engine on the CPU; None for the fastest.

    Raises:
        InputError: the engine does not compute in the precision.
        PackageError: there is no ONNX file in this precision, or one is damaged or was exported from other weights.
        DeviceError, MissingDependencyError: as for `OnnxPredictor`.
    """
    before = _previous(package)
    device = choose_device(device)
    batch = batch or MAX_BATCH[device]
    candidates = _candidates(package, device, engine, precision, before)
    known: Sequence[Execution] = package.precisions if device == "cuda" else executions_of(package)
    # Open all of them now, so that an invalid file is reported at once and not after minutes.
    opened = {
        one: open_execution(package, one, device, threads, Runtime()) for one in dict.fromkeys((*candidates, *known))
    }
    names, digests = ({one: getattr(each, name) for one, each in opened.items()} for name in ("device", "onnx_sha256"))
    del opened
    on_cuda, threads = device == "cuda", threads or cores()
    measure = measure or Stopwatch(package, device, threads, seconds)
    report("engines and precisions")
    execution = _fastest(measure, candidates, (1, batch))
    runtime, trials = (Runtime(), ()) if on_cuda else search(measure, execution, threads, batch, report)
    report("the result")
    default, chosen = Setting(execution, Runtime()), Setting(execution, runtime)
    others = [other for other in names if other != execution]

    def compare(*settings: Setting) -> dict[Setting, Seconds]:
        return dict(zip(settings, measure(settings, (1, batch)), strict=True))

    compared = compare(*dict.fromkeys((default, chosen)), *(Setting(other, runtime) for other in others))
    if chosen != default:
        # The search may keep an option that was faster only by noise.
        kept, reason = judge(compared[default], compared[chosen])
        times = (_by_name(compared[chosen]), _by_name(compared[default]))
        trials = (*trials, Trial(runtime, *times, kept, f"{FINAL}: {reason}"))
        if not kept:
            runtime = Runtime()
            compared = compare(default, *(Setting(other, runtime) for other in others))
    if on_cuda:
        serving = replace(before, cuda_precision=EXECUTIONS[execution].file)
    else:
        import onnxruntime

        recorded = accuracy(package, execution) or (None, None)
        serving = Serving(
            execution=execution,
            cores=cores(),
            threads=threads,
            processor=processor(),
            onnxruntime=onnxruntime.__version__,
            onnx_sha256=digests[execution],
            runtime=runtime,
            trials=trials,
            cuda_precision=before.cuda_precision,
            openvino=openvino_version(execution),
            accuracy=recorded[0],
            accuracy_gain=recorded[1],
            agreement=package.agreement(execution),
        )
    return TuningResult(serving, execution, names[execution], on_cuda, (1, batch), compared)


def _candidates(
    package: Package,
    device: ChosenDevice,
    engine: Engine | None,
    precision: ComputePrecision | None,
    before: Serving,
) -> Sequence[Execution]:
    """Executions to choose from: all that may be requested, or, without a request, all that are acceptable."""
    if device == "cuda" or (engine and precision):
        return [choose_execution(package, device, engine, precision, before)]
    found = [
        one
        for one in executions_of(package)
        if engine in (None, EXECUTIONS[one].engine)
        and (EXECUTIONS[one].precision == precision or (precision is None and is_acceptable(package, one)))
    ]
    return found or [choose_execution(package, device, engine, precision, Serving())]


def _fastest(measure: Measure, candidates: Sequence[Execution], batches: Sequence[int]) -> Execution:
    """The fastest by the product of its times; the first unless another is faster by the margin in the mean."""
    if len(candidates) == 1:
        return candidates[0]
    times = measure([Setting(one, Runtime()) for one in candidates], batches)
    means = {
        one: math.prod(seconds.values()) ** (1 / len(batches)) for one, seconds in zip(candidates, times, strict=True)
    }
    best = min(means, key=means.__getitem__)
    return best if means[candidates[0]] > (1 + MARGIN) * means[best] else candidates[0]


def search(
    measure: Measure, execution: Execution, threads: int, batch: int, report: Progress = lambda words: None
) -> tuple[Runtime, tuple[Trial, ...]]:
    """Search the fastest options for batches of 1 and of `batch` images; returns them and all trials.

    A coordinate search from the defaults, which changes one option at a time and keeps it according to `judge`. The
    number of streams and the size of a part, which depend on each other, are changed together.
    """
    best, trials = Runtime(), list[Trial]()

    def consider(batches: Sequence[int], name: str, **changes: Any) -> None:
        nonlocal best
        candidate = replace(best, **changes)
        report(name)
        # Load on the machine can make any setting the fastest once: it must be so twice.
        for _ in range(2):
            against, seconds = measure((Setting(execution, best), Setting(execution, candidate)), batches)
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
            # A single image always uses all threads.
            consider((batch,), candidate.describe(threads), streams=streams, part=part)
    if EXECUTIONS[execution].engine == "openvino":  # which has no such options
        return best, tuple(trials)
    if threads > 1:
        shared = best.on(threads).streams < threads
        consider((1, batch) if shared else (1,), "no spinning", spin=False)
    consider((1, batch), "optimization extended", optimization="extended")
    consider((1, batch), "no arena", arena=False)
    return best, tuple(trials)


def judge(against: Seconds, seconds: Seconds) -> tuple[bool, str]:
    """Decide whether to keep a setting: it must be faster at some batch size, and slower at none, by the margin.

    Returns:
        Whether to keep it, and the reason.
    """
    ratios = {batch: against[batch] / seconds[batch] for batch in seconds}
    faster = [batch for batch, ratio in ratios.items() if ratio > 1 + MARGIN]
    slower = [batch for batch, ratio in ratios.items() if ratio < 1 / (1 + MARGIN)]
    words = " and ".join(f"{ratio:.2f} times as fast at batch {batch}" for batch, ratio in ratios.items())
    if faster and slower:
        return False, f"{words}: faster at one batch size but slower at the other"
    if not faster and not slower:
        return False, f"{words}: within the margin of {MARGIN:.0%}"
    return bool(faster), words


def check_writable(package: Package, name: str = SERVING_FILE) -> None:
    """Raise `InputError` if a file with this name cannot be written to a model directory."""
    require_writable(package.path, f"{name} into {package.path}", _REMEDY)


def write(serving: Serving, package: Package) -> Path:
    """Write `serving.json` to a model directory.

    Raises:
        InputError: the directory is not writable.
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
