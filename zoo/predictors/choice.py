"""Choice of engine and precision: as requested, as `zoo tune` found, or the fastest whose recorded accuracy is kept."""

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from types import MappingProxyType

from zoo.errors import PackageError
from zoo.machine import X86_INT8, instructions
from zoo.package import Package
from zoo.package.metrics import HELD_OUT_FIRST, THROUGH, own_metrics
from zoo.package.timings import Serving
from zoo.runtime import EXECUTIONS, ChosenDevice, ComputePrecision, Engine, Execution, Precision, execution_of

ACCURACY_MARGIN = 0.3
"""Largest loss of top-1 accuracy against fp32, in percentage points, that is accepted for speed."""

_X86_BF16 = frozenset({"avx512_bf16", "amx_bf16"})

_PREFERENCE: Mapping[Execution, frozenset[str] | None] = MappingProxyType(
    {
        "openvino-int8": X86_INT8,
        "int8": X86_INT8 | {"asimddp", "i8mm"},
        "openvino-bf16": _X86_BF16,
        "fp32": None,
        "openvino-fp32": None,
    }
)
"""Executions on the CPU, the fastest first, with the instruction sets of which it needs one; None if it needs none.
Without them int8 gains little with ONNX Runtime, and on x86 OpenVINO's sums of products overflow."""

_IMPOSSIBLE: Mapping[Execution, frozenset[str]] = MappingProxyType({"openvino-int8": frozenset({"amx_int8"})})
"""Instruction sets with which an execution is reported to crash: with AMX, OpenVINO computes files for batches of any
size in int8 with kernels that end in a segmentation fault
(https://github.com/openvinotoolkit/openvino/issues/37577)."""


def choose_execution(
    package: Package,
    device: ChosenDevice,
    engine: Engine | None = None,
    precision: ComputePrecision | None = None,
    serving: Serving | None = None,
) -> Execution:
    """Engine and precision in which a model is computed on a device.

    On the CPU, it is what `zoo tune` saved, otherwise the first of `_PREFERENCE` that is installed, has its file, has
    its instructions on this processor and lost no more than `ACCURACY_MARGIN` by the records in `metrics.json`;
    otherwise fp32. On CUDA, ONNX Runtime computes in what `zoo tune` saved, otherwise in fp16 if there is such a file,
    otherwise in fp32. A request for OpenVINO is one for the CPU.

    Arguments:
        package: the model directory.
        device: device to compute on.
        engine, precision: what was requested; None to choose.
        serving: what `zoo tune` saved; None for `serving.json`.

    Raises:
        InputError: the engine does not compute in the precision.
        PackageError: `serving.json` is not valid.
    """
    if engine and precision:
        return execution_of(engine, precision)
    serving = serving or Serving.read(package)
    if device == "cuda" and engine != "openvino":
        saved = serving.cuda_precision or ("fp16" if package.onnx("fp16") else "fp32")
        return execution_of("onnxruntime", precision or saved)
    possible = list(_matching(engine, precision))
    if serving.execution in possible:
        return serving.execution
    for one in possible:
        if package.onnx(EXECUTIONS[one].file) and _suits(one) and _keeps_accuracy(package, one):
            return one
    return execution_of(engine or ("openvino" if precision == "bf16" else "onnxruntime"), precision or "fp32")


def fast_files() -> tuple[Precision, ...]:
    """Precisions of the files that `choose_execution` may choose on this CPU, with the installed engines."""
    return tuple(dict.fromkeys(EXECUTIONS[one].file for one in _PREFERENCE if _is_installed(one) and _suits(one)))


def executions_of(package: Package) -> tuple[Execution, ...]:
    """Executions of a model directory's ONNX files that can be computed on this machine's CPU."""
    return tuple(
        one
        for one, method in EXECUTIONS.items()
        if package.onnx(method.file) and _is_installed(one) and is_possible(one)
    )


def is_possible(execution: Execution) -> bool:
    """Whether this machine's CPU can compute an execution at all."""
    if not _IMPOSSIBLE.get(execution, frozenset()).isdisjoint(instructions()):
        return False
    return EXECUTIONS[execution].precision != "bf16" or _has_instructions(execution)


def accuracy(package: Package, execution: Execution) -> tuple[float, float] | None:
    """Recorded top-1 accuracy in percent, and the gain over fp32 on the same images; None if one is not recorded.

    Raises:
        PackageError: `metrics.json` or `parity.json` is not valid.
    """
    keys = {one: key for key, one in THROUGH.items()}
    scores = own_metrics(package).scores
    for split in HELD_OUT_FIRST:
        own = scores.get(split, {})
        score, reference = own.get(keys[execution]), own.get(keys["fp32"]) or own.get("torch")
        if score and reference and score.images == reference.images:
            return score.accuracy, round(score.accuracy - reference.accuracy, 4)
    return None


def is_acceptable(package: Package, execution: Execution) -> bool:
    """Whether an execution may be chosen by its speed on this CPU: its instructions are there, and its recorded
    accuracy is within `ACCURACY_MARGIN` of that of fp32, or, if none is recorded, it passed a recorded parity check.

    Raises:
        PackageError: as for `accuracy`.
    """
    if execution == "fp32":
        return True
    if package.verification_failed(execution) or not _suits(execution):
        return False
    found = accuracy(package, execution)
    return package.verified_sha256(execution) is not None if found is None else found[1] >= -ACCURACY_MARGIN


def _matching(engine: Engine | None, precision: ComputePrecision | None) -> Iterator[Execution]:
    """Installed executions of `_PREFERENCE` with an engine and a precision; None for any."""
    for one in _PREFERENCE:
        method = EXECUTIONS[one]
        if engine in (None, method.engine) and precision in (None, method.precision) and _is_installed(one):
            yield one


def _is_installed(execution: Execution) -> bool:
    return find_spec(EXECUTIONS[execution].engine) is not None


def _suits(execution: Execution) -> bool:
    """Whether this processor computes an execution, with the instructions that make it fast and right."""
    return is_possible(execution) and _has_instructions(execution)


def _has_instructions(execution: Execution) -> bool:
    """Whether this processor has an instruction set that an execution needs."""
    needed = _PREFERENCE.get(execution)
    return needed is None or not needed.isdisjoint(instructions())


def _keeps_accuracy(package: Package, execution: Execution) -> bool:
    """Whether the records say that an execution is as accurate as fp32; fp32 is, with either engine."""
    if EXECUTIONS[execution].precision == "fp32":
        return True
    try:
        found = accuracy(package, execution)
        return found is not None and found[1] >= -ACCURACY_MARGIN and not package.verification_failed(execution)
    except PackageError:  # fp32 needs no record; commands that show the records report what is wrong with them
        return False
