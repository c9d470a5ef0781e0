"""Parity: whether a model's ONNX file answers as its network does."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import onnxruntime
import torch

from zoo.errors import InputError, PackageError, ZooError
from zoo.models import load_package
from zoo.onnx_predictor import OnnxPredictor
from zoo.package import ONNX_FILE, PARITY_FILE, Package, sha256, write_json
from zoo.predictor import OUTPUTS, Prediction, check_pixels
from zoo.preprocess import Pixels
from zoo.torch_predictor import TorchPredictor

BATCH_SIZES = (1, 2, 7, 64)
"""The largest runs over all pictures, the others over as many as one of the largest holds."""

TOLERANCE = 1e-4

_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True)
class Parity:
    """How far a model's ONNX file is from its network: the content of `parity.json`."""

    passed: bool
    """Whether no error is above the tolerance."""
    tolerance: float
    max_abs_error: Mapping[str, float]
    """Largest absolute difference of each output, over all pictures and batch sizes."""
    agreement: Mapping[str, float]
    """Share in 0..1 of pictures (`logits`) or patches (the other outputs) whose largest entry is the same."""
    images: int
    batch_sizes: tuple[int, ...]
    provider: str
    """ONNX Runtime's execution provider."""
    onnxruntime: str
    torch: str
    weights_sha256: str
    onnx_sha256: str


class ParityError(ZooError):
    """An ONNX file that does not answer as its network does; `parity` has the numbers."""

    def __init__(self, package: Package, parity: Parity) -> None:
        output, error = max(parity.max_abs_error.items(), key=lambda item: item[1])
        super().__init__(
            f"{package.onnx}: {output} differs from PyTorch's by up to {error:.3g}, above the tolerance of "
            f"{parity.tolerance:.3g}; export the model again, or allow a larger tolerance"
        )
        self.parity = parity


def verify(package: Package, pixels: Pixels, tolerance: float = TOLERANCE) -> Parity:
    """Compare ONNX Runtime with PyTorch, both in single precision on the CPU, and record it in `parity.json`.

    Arguments:
        package: a model directory with an ONNX file.
        pixels: uint8 [N, 3, S, S] for the model's input size S.
        tolerance: for the absolute difference of each number of each output.

    Raises:
        ParityError: a difference is above the tolerance; the record is written all the same.
        InputError: pixels of another type or shape, or a tolerance below 0.
        PackageError: a file is missing, damaged or of another model.
    """
    check_pixels(pixels, package.config, package.config.name)
    if not tolerance >= 0:
        raise InputError(f"tolerance = {tolerance}: it must be 0 or more, such as {TOLERANCE}")
    # What was proved before says nothing of the files that are compared now.
    (package.path / PARITY_FILE).unlink(missing_ok=True)
    candidate = OnnxPredictor.open(package, device="cpu")
    reference = TorchPredictor(load_package(package), package.config)
    comparison, largest = _Comparison(), max(BATCH_SIZES)
    for start in range(0, len(pixels), largest):
        images = pixels[start : start + largest]
        expected = reference(images)
        for size in BATCH_SIZES if start == 0 else (largest,):
            for row in range(0, len(images), size):
                comparison.add(expected.rows(row, row + size), candidate(images[row : row + size]))
    parity = Parity(
        passed=all(error <= tolerance for error in comparison.errors.values()),
        tolerance=tolerance,
        max_abs_error=comparison.errors,
        agreement={name: same / comparison.entries[name] for name, same in comparison.same.items()},
        images=len(pixels),
        batch_sizes=tuple(sorted(comparison.batch_sizes)),
        provider=candidate.session.get_providers()[0],
        onnxruntime=onnxruntime.__version__,
        torch=torch.__version__,
        weights_sha256=package.config.weights_sha256,
        onnx_sha256=sha256(package.path / ONNX_FILE),
    )
    write_json(package.path / PARITY_FILE, asdict(parity))
    if not parity.passed:
        raise ParityError(package, parity)
    return parity


class _Comparison:
    """What two predictors' answers differ by, gathered batch by batch, for each output."""

    def __init__(self) -> None:
        self.errors: dict[str, float] = {}
        self.same: Counter[str] = Counter()
        self.entries: Counter[str] = Counter()
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
