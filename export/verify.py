"""Parity: whether a model's ONNX file answers as its network does."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import onnxruntime
import torch

from zoo.errors import InputError, PackageError, ZooError
from zoo.models import load_package
from zoo.onnx_predictor import OnnxPredictor
from zoo.package import ONNX_FILE, PARITY_FILE, Package, sha256, write_json
from zoo.predictor import OUTPUTS, Array, check_pixels
from zoo.preprocess import Pixels
from zoo.torch_predictor import TorchPredictor

BATCH_SIZES = (1, 2, 7, 64)
"""The largest runs over all pictures, the others over as many as one of the largest holds."""

TOLERANCE = 1e-4


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
    candidate = OnnxPredictor.open(package, device="cpu")
    reference = TorchPredictor(load_package(package), package.config)
    differences = {name: _Difference() for name in OUTPUTS}
    batch_sizes = set()
    largest = max(BATCH_SIZES)
    for start in range(0, len(pixels), largest):
        images = pixels[start : start + largest]
        prediction = reference(images)
        for size in BATCH_SIZES if start == 0 else (largest,):
            for row in range(0, len(images), size):
                batch = images[row : row + size]
                batch_sizes.add(len(batch))
                pairs = zip(prediction.rows(row, row + size), candidate(batch), strict=True)
                for (name, difference), (expected, actual) in zip(differences.items(), pairs, strict=True):
                    difference.add(expected, actual, f"{package.onnx}: {name}")
    compared = {name: difference for name, difference in differences.items() if difference.entries}
    parity = Parity(
        passed=all(difference.error <= tolerance for difference in compared.values()),
        tolerance=tolerance,
        max_abs_error={name: difference.error for name, difference in compared.items()},
        agreement={name: difference.same / difference.entries for name, difference in compared.items()},
        images=len(pixels),
        batch_sizes=tuple(sorted(batch_sizes)),
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


class _Difference:
    """What one output differs by, gathered batch by batch."""

    def __init__(self) -> None:
        self.error = 0.0
        self.same = 0
        self.entries = 0

    def add(self, expected: Array | None, actual: Array | None, where: str) -> None:
        if np.shape(expected) != np.shape(actual):
            raise PackageError(f"{where} is {np.shape(actual)}, PyTorch's {np.shape(expected)}; export the model again")
        if expected is None or actual is None:
            return
        # JSON has no NaN and no infinity: both count as the largest number there is.
        error = np.nan_to_num(np.abs(expected - actual), nan=np.finfo(np.float32).max)
        self.error = max(self.error, float(error.max()))
        same = expected.argmax(axis=1) == actual.argmax(axis=1)
        self.same += int(same.sum())
        self.entries += same.size
