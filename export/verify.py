"""Parity: whether a model's ONNX file answers as its network does."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType

import numpy as np
import onnxruntime
import torch

from export.challenges import challenges
from zoo.answers import patch_shares
from zoo.errors import InputError, PackageError, ZooError
from zoo.machine import processor
from zoo.models import load_package
from zoo.onnx_predictor import OnnxPredictor
from zoo.package import ONNX_FILES, PARITY_FILE, Package, sha256, write_json
from zoo.predictor import OUTPUTS, Prediction, check_pixels, predict_in_parts
from zoo.preprocess import Pixels
from zoo.runtime import Device, Precision, Runtime
from zoo.torch_predictor import TorchPredictor

BATCH_SIZES = (1, 2, 7, 33, 64)
"""The largest runs over all pictures, the others over as many as one of the largest holds."""

TURN = 1024
"""Pictures that one predictor answers before the other does: their threads wait for work without sleeping, and take the
time of those that have some."""

_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True)
class Limits:
    """What an ONNX file may differ by from its network."""

    max_abs_error: float
    """Largest absolute difference of any number, made pictures included."""
    min_agreement: float
    """Least share in 0..1 of pictures whose most probable class is the same."""

    def __post_init__(self) -> None:
        if not self.max_abs_error >= 0:
            raise InputError(f"tolerance = {self.max_abs_error}: it must be 0 or more, such as 0.0001")
        if not 0 <= self.min_agreement <= 1:
            raise InputError(f"agreement = {self.min_agreement}: it is a share, from 0 to 1")


LIMITS: Mapping[Precision, Limits] = MappingProxyType(
    {"fp32": Limits(1e-4, 0.999), "fp16": Limits(0.1, 0.99), "int8": Limits(100, 0.97)}
)
"""In less precision than PyTorch's, single numbers say little; what counts is whether the answer is the same."""


@dataclass(frozen=True, slots=True)
class Parity:
    """How far an ONNX file is from its network."""

    passed: bool
    """Whether all is within the limits."""
    limits: Limits
    max_abs_error: Mapping[str, float]
    """Largest absolute difference of each output, over all pictures and batch sizes."""
    challenge_error: Mapping[str, float]
    """The same for `export.challenges`, which count nowhere else."""
    agreement: Mapping[str, float]
    """Share in 0..1 of pictures (`logits`) or patches (the other outputs) whose largest entry is the same."""
    total_variation: float
    """Between the shares of the classes in a patch, in 0..1: the mean over all patches."""
    images: int
    batch_sizes: tuple[int, ...]
    provider: str
    """ONNX Runtime's execution provider."""
    processor: str
    """Of the machine: in 8 bits, older ones lack instructions that keep sums from overflowing."""
    onnxruntime: str
    torch: str
    weights_sha256: str
    onnx_sha256: str


class ParityError(ZooError):
    """An ONNX file that does not answer as its network does; `parity` has the numbers."""

    def __init__(self, file: str, parity: Parity) -> None:
        errors = {name: max(error, parity.challenge_error[name]) for name, error in parity.max_abs_error.items()}
        output, error = max(errors.items(), key=lambda item: item[1])
        if error > parity.limits.max_abs_error:
            problem = (
                f"{output} differs from PyTorch's by up to {error:.3g}, above the tolerance of "
                f"{parity.limits.max_abs_error:.3g}; export the model again, or allow a larger tolerance"
            )
        else:
            problem = (
                f"the most probable class is PyTorch's for {parity.agreement['logits']:.2%} of the pictures only, "
                f"below {parity.limits.min_agreement:.2%}; export the model in more precision, or from more pictures"
            )
        super().__init__(f"{file}: {problem}")
        self.parity = parity


def verify(
    package: Package,
    pixels: Pixels,
    precision: Precision = "fp32",
    device: Device = "cpu",
    tolerance: float | None = None,
    agreement: float | None = None,
) -> Parity:
    """Compare ONNX Runtime with PyTorch in single precision on the CPU, and record it in `parity.json`.

    Arguments:
        package: a model directory with an ONNX file in this precision.
        pixels: uint8 [N, 3, S, S] for the model's input size S.
        precision: of the ONNX file.
        device: that ONNX Runtime computes on.
        tolerance: for the absolute difference of each number of each output; None for that of `LIMITS`.
        agreement: least share in 0..1 of pictures whose most probable class is PyTorch's; None likewise.

    Raises:
        ParityError: it is not within the limits; the record is written all the same.
        InputError: pixels of another type or shape, or a limit out of its range.
        PackageError: a file is missing, damaged or of another model.
        DeviceError: the device is not there.
    """
    check_pixels(pixels, package.config, package.config.name)
    changes = {"max_abs_error": tolerance, "min_agreement": agreement}
    limits = replace(LIMITS[precision], **{name: value for name, value in changes.items() if value is not None})
    # What was proved before says nothing of the files that are compared now.
    forget(package, precision)
    candidate = OnnxPredictor.open(package, device, precision=precision, runtime=Runtime())
    reference = TorchPredictor(load_package(package), package.config)
    comparison, challenged, largest = _Comparison(), _Comparison(), max(BATCH_SIZES)
    for start in range(0, len(pixels), TURN):
        images = pixels[start : start + TURN]
        expected = predict_in_parts(reference, images, largest)
        for rows in _batches(len(images), BATCH_SIZES if start == 0 else (largest,)):
            comparison.add(expected.rows(rows.start, rows.stop), candidate(images[rows]))
    made = challenges(package.config.input_size)
    challenged.add(reference(made), candidate(made))
    errors = [*comparison.errors.values(), *challenged.errors.values()]
    shares = {name: same / comparison.entries[name] for name, same in comparison.same.items()}
    file = package.path / ONNX_FILES[precision]
    parity = Parity(
        passed=max(errors) <= limits.max_abs_error and shares["logits"] >= limits.min_agreement,
        limits=limits,
        max_abs_error=comparison.errors,
        challenge_error=challenged.errors,
        agreement=shares,
        total_variation=comparison.variation / comparison.patches,
        images=len(pixels),
        batch_sizes=tuple(sorted(comparison.batch_sizes)),
        provider="CUDAExecutionProvider" if candidate.on_cuda else "CPUExecutionProvider",
        processor=processor(),
        onnxruntime=onnxruntime.__version__,
        torch=torch.__version__,
        weights_sha256=package.config.weights_sha256,
        onnx_sha256=sha256(file),
    )
    record = package.parity()
    record.setdefault(precision, {})[parity.provider] = asdict(parity)
    write_json(package.path / PARITY_FILE, record)
    if not parity.passed:
        raise ParityError(str(file), parity)
    return parity


def _batches(count: int, sizes: tuple[int, ...]) -> Iterator[slice]:
    """Rows of batches: of the largest size up to `count`, of the others as far as the first of the largest goes."""
    for size in sizes:
        stop = count if size == max(sizes) else min(count, max(sizes))
        for row in range(0, stop, size):
            yield slice(row, min(row + size, stop))


def forget(package: Package, precision: Precision) -> None:
    """Remove from `parity.json` what was proved of another file than the one that is there now."""
    record, file = package.parity(), package.onnx(precision)
    # Without a file the record says which one an export should give.
    if file and package.proven(precision) != sha256(file) and record.pop(precision, None):
        write_json(package.path / PARITY_FILE, record)


class _Comparison:
    """What two predictors' answers differ by, gathered batch by batch, for each output."""

    def __init__(self) -> None:
        self.errors: dict[str, float] = {}
        self.same: Counter[str] = Counter()
        self.entries: Counter[str] = Counter()
        self.variation = 0.0
        self.patches = 0
        self.batch_sizes: set[int] = set()

    def add(self, expected: Prediction, actual: Prediction) -> None:
        self.batch_sizes.add(len(expected.logits))
        for name, wanted, got in zip(OUTPUTS, expected, actual, strict=True):
            if wanted is None:
                continue
            if got is None or got.shape != wanted.shape:
                raise PackageError(
                    f"the ONNX file's {name} is {'missing' if got is None else list(got.shape)}, PyTorch's is "
                    f"{list(wanted.shape)}: it is of another network; export the model again"
                )
            # JSON has no NaN and no infinity: both count as the largest number there is.
            error = float(np.nan_to_num(np.abs(wanted - got), nan=_LARGEST, posinf=_LARGEST).max())
            same = wanted.argmax(axis=1) == got.argmax(axis=1)
            self.errors[name] = max(self.errors.get(name, 0.0), error)
            self.same[name] += int(same.sum())
            self.entries[name] += same.size
        variation = np.abs(patch_shares(expected) - patch_shares(actual)).sum(axis=1) / 2
        self.variation += float(np.nan_to_num(variation, nan=1).sum(dtype=np.float64))
        self.patches += variation.size
