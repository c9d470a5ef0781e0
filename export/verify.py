"""Parity checks of a model's ONNX files against PyTorch, on the same images."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from export.parity import TOLERANCES, Parity, ParityError, Provider
from zoo.answers import patch_shares
from zoo.errors import PackageError
from zoo.files import write_json
from zoo.images.preprocess import Pixels
from zoo.networks.load import load_package
from zoo.outputs import OPTIONAL, Output
from zoo.package import ONNX_FILES, PARITY_FILE, Package
from zoo.predictors import Prediction, check_pixels, predict_in_parts
from zoo.predictors.open_execution import open_execution
from zoo.predictors.openvino import openvino_version
from zoo.predictors.torch import TorchPredictor
from zoo.runtime import EXECUTIONS, Device, Execution, Runtime

BATCH_SIZES = (1, 2, 7, 33, 64)
"""Compared batch sizes: the largest over all images, the others over the first batch of the largest size."""

IMAGES_PER_TURN = 1024
"""Number of images that one predictor computes before it is the other's turn: idle threads of each spin for a while,
which slows the other."""

_LARGEST = float(np.finfo(np.float32).max)


def verify(
    package: Package,
    pixels: Pixels,
    execution: Execution = "fp32",
    device: Device = "cpu",
    atol: float | None = None,
    rtol: float | None = None,
    agreement: float | None = None,
) -> Parity:
    """Check one execution with `measure_parity`.

    Raises:
        ParityError: the deviation exceeds the tolerance; the record is still written.
    """
    parity = measure_parity(package, pixels, (execution,), device, atol, rtol, agreement)[execution]
    require_parity(package, execution, parity)
    return parity


def require_parity(package: Package, execution: Execution, parity: Parity) -> None:
    """Raise `ParityError` if a parity check did not pass."""
    if not parity.passed:
        file = str(package.path / ONNX_FILES[EXECUTIONS[execution].file])
        raise ParityError(file if execution in ONNX_FILES else f"{file} in {execution}", parity)


def measure_parity(
    package: Package,
    pixels: Pixels,
    executions: Sequence[Execution],
    device: Device = "cpu",
    atol: float | None = None,
    rtol: float | None = None,
    agreement: float | None = None,
) -> dict[Execution, Parity]:
    """Compare ONNX files with PyTorch in single precision on the CPU, and record the results in `parity.json`.

    Records of the same files with other providers are kept; those of other files are replaced once all comparisons
    are done.

    Arguments:
        package: model directory with an ONNX file for each execution.
        pixels: uint8 [N, 3, S, S] for the model's input size S.
        executions: engines and precisions to check.
        device: device for ONNX Runtime; OpenVINO computes on the CPU.
        atol, rtol: tolerances on each number of each output, as in `Tolerance`; None for those of `TOLERANCES`.
        agreement: minimum share of images with the same most probable class as PyTorch, and of patches with the same
            strongest class, 0..1; None for that of `TOLERANCES`.

    Raises:
        InputError: the pixels have another type or shape, or a tolerance is out of range.
        PackageError: a file is missing, damaged or of another model.
        DeviceError: the device is not available.
    """
    check_pixels(pixels, package.config)
    asked = {"atol": atol, "rtol": rtol, "min_agreement": agreement}
    changes = {name: value for name, value in asked.items() if value is not None}
    for tolerance in TOLERANCES.values():
        replace(tolerance, **changes)  # validates the changes before anything is computed
    candidates = [_Candidate(package, execution, device, changes) for execution in executions]
    reference = TorchPredictor(load_package(package), package.config)
    largest = max(BATCH_SIZES)
    for start in range(0, len(pixels), IMAGES_PER_TURN):
        images = pixels[start : start + IMAGES_PER_TURN]
        expected = predict_in_parts(reference, images, largest)
        for candidate in candidates:
            for rows in _batches(len(images), BATCH_SIZES if start == 0 else (largest,)):
                candidate.compare(expected.rows(rows.start, rows.stop), images[rows])
    made = out_of_distribution_images(package.config.input_size)
    expected = reference(made)
    record = package.parity()
    found = {}
    for candidate in candidates:
        candidate.compare_out_of_distribution(expected, made)
        parity = candidate.parity(len(pixels))
        found[candidate.execution] = parity
        before = record.get(candidate.execution, {}).items()
        same_file = {name: one for name, one in before if one["onnx_sha256"] == parity.onnx_sha256}
        record[candidate.execution] = same_file | {parity.provider: asdict(parity)}
    write_json(package.path / PARITY_FILE, record)
    return found


def out_of_distribution_images(size: int) -> Pixels:
    """Synthetic images whose features are far from those of photographs, as a stress test for rounding.

    Returns:
        Pixels [5, 3, size, size]: all black, all white, noise, noise of only black and white, and one white pixel.
    """
    random = np.random.default_rng(0)
    shape = (3, size, size)
    hot = np.zeros(shape, np.uint8)
    hot[:, size // 2, size // 2] = 255
    return np.stack(
        [
            np.zeros(shape, np.uint8),
            np.full(shape, 255, np.uint8),
            random.integers(0, 256, shape, np.uint8),
            255 * random.integers(0, 2, shape, np.uint8),
            hot,
        ]
    )


def _batches(count: int, sizes: tuple[int, ...]) -> Iterator[slice]:
    """Slices of batches: those of the largest size up to `count`, others up to the end of the first largest one."""
    for size in sizes:
        stop = count if size == max(sizes) else min(count, max(sizes))
        for row in range(0, stop, size):
            yield slice(row, min(row + size, stop))


class _Candidate:
    """Execution of an ONNX file under comparison."""

    def __init__(self, package: Package, execution: Execution, device: Device, changes: Mapping[str, float]) -> None:
        self.execution: Execution = execution
        self._weights_sha256 = package.config.weights_sha256
        self._predictor = open_execution(package, execution, device, runtime=Runtime(), require_verified=False)
        self._provider: Provider = "CUDAExecutionProvider" if self._predictor.on_cuda else "CPUExecutionProvider"
        if EXECUTIONS[execution].engine == "openvino":
            self._provider = "OpenVINO CPU"
        self._tolerance = replace(TOLERANCES[execution, self._provider], **changes)
        self._images, self._out_of_distribution = _Comparison(), _Comparison()

    def compare(self, expected: Prediction, pixels: Pixels) -> None:
        self._images.add(expected, self._predictor(pixels))

    def compare_out_of_distribution(self, expected: Prediction, pixels: Pixels) -> None:
        self._out_of_distribution.add(expected, self._predictor(pixels))

    def parity(self, images: int) -> Parity:
        """Result of the comparisons so far, on this number of images."""
        given, made = self._images, self._out_of_distribution
        shares = {name: same / given.entries[name] for name, same in given.same.items()}
        return Parity(
            tolerance=self._tolerance,
            max_abs_error=given.errors,
            max_magnitude=given.magnitudes,
            out_of_distribution_error=made.errors,
            out_of_distribution_magnitude=made.magnitudes,
            agreement=shares,
            total_variation=given.variation / given.patches,
            images=images,
            batch_sizes=tuple(sorted(given.batch_sizes)),
            provider=self._provider,
            processor=self._predictor.processor,
            onnxruntime=onnxruntime.__version__,
            torch=torch.__version__,
            onnx=version("onnx"),
            onnxscript=version("onnxscript"),
            weights_sha256=self._weights_sha256,
            onnx_sha256=self._predictor.onnx_sha256,
            openvino=openvino_version(self.execution),
        )


class _Comparison:
    """Differences between the outputs of two predictors, accumulated over batches."""

    def __init__(self) -> None:
        self.errors: dict[str, float] = {}
        self.magnitudes: dict[str, float] = {}
        self.same: Counter[str] = Counter()
        self.entries: Counter[str] = Counter()
        self.variation = 0.0
        self.patches = 0
        self.batch_sizes: set[int] = set()

    def add(self, expected: Prediction, actual: Prediction) -> None:
        self.batch_sizes.add(len(expected.logits))
        outputs = tuple(each for each in expected.outputs if each in actual.outputs or each not in OPTIONAL)
        if actual.outputs != outputs:
            raise PackageError(
                f"the outputs of the ONNX file are {_describe(actual.outputs)}, those of PyTorch are "
                f"{_describe(expected.outputs)}: the file is of another network; export the model again"
            )
        for output in outputs:
            name, wanted, got = output.name, expected[output.name], actual[output.name]
            if got.shape != wanted.shape:
                raise PackageError(
                    f"the shape of {name} is {list(got.shape)} in the ONNX file and {list(wanted.shape)} in PyTorch: "
                    "the file is of another network; export the model again"
                )
            if output.kind != "index map":  # the distance between two indices means nothing
                # JSON has neither NaN nor infinity: both count as the largest finite number.
                with np.errstate(invalid="ignore"):
                    difference = np.where(_is_same(wanted, got), 0, np.abs(wanted - got))
                error = float(np.nan_to_num(difference, nan=_LARGEST, posinf=_LARGEST).max())
                magnitude = float(np.nan_to_num(np.abs(wanted), nan=0, posinf=0).max())
                self.errors[name] = max(self.errors.get(name, 0.0), error)
                self.magnitudes[name] = max(self.magnitudes.get(name, 0.0), magnitude)
            if output.kind == "index map" or output.is_ranked:
                same = wanted == got if output.kind == "index map" else wanted.argmax(axis=1) == got.argmax(axis=1)
                self.same[name] += int(same.sum())
                self.entries[name] += same.size
        variation = np.abs(patch_shares(expected) - patch_shares(actual)).sum(axis=1) / 2
        self.variation += float(np.nan_to_num(variation, nan=1).sum(dtype=np.float64))
        self.patches += variation.size


def _describe(outputs: Sequence[Output]) -> str:
    return ", ".join(f"{output.name} ({output.kind})" for output in outputs)


def _is_same(one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.bool_]:
    """Where numbers are equal, not-a-numbers and infinities included."""
    return (one == other) | (np.isnan(one) & np.isnan(other))
