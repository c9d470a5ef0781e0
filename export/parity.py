"""Results of checking an ONNX file against PyTorch: deviations, tolerances, and the table that `zoo verify` prints."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, NamedTuple

from rich.table import Table

from zoo.errors import InputError, ZooError
from zoo.outputs import LOGITS, PATCH_LOGITS
from zoo.runtime import ENGINE_NAMES, EXECUTIONS, Execution

Provider = Literal["CPUExecutionProvider", "CUDAExecutionProvider", "OpenVINO CPU"]
"""Name of an ONNX Runtime execution provider, or OpenVINO and its device."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Allowed deviation of an ONNX file from PyTorch.

    Rounding errors grow with the magnitude of the numbers: each number of an output may differ by atol + rtol x m,
    where m is the largest magnitude of this output in PyTorch.
    """

    atol: float
    rtol: float
    min_agreement: float
    """Minimum share of images with the same most probable class, and of patches with the
    same strongest class, 0..1."""

    def __post_init__(self) -> None:
        for name, value, example in (("atol", self.atol, 1e-4), ("rtol", self.rtol, 1e-5)):
            if not 0 <= value < math.inf:
                raise InputError(f"{name} = {value}: must be finite and not negative, such as {example:g}")
        if not 0 <= self.min_agreement <= 1:
            raise InputError(f"agreement = {self.min_agreement}: must be a share from 0 to 1")

    def max_abs_error(self, magnitude: float) -> float:
        """Largest allowed difference for an output with this largest magnitude."""
        return self.atol + self.rtol * magnitude


_FP16, _INT8 = Tolerance(0.1, 0.01, 0.99), Tolerance(100, 1, 0.97)

_FP32 = Tolerance(1e-4, 1e-5, 0.999)

TOLERANCES: Mapping[tuple[Execution, Provider], Tolerance] = MappingProxyType(
    {
        ("fp32", "CPUExecutionProvider"): _FP32,
        # CUDA sums in another order, and computes some convolutions by transforms.
        ("fp32", "CUDAExecutionProvider"): Tolerance(1e-3, 1e-4, 0.999),
        ("fp16", "CPUExecutionProvider"): _FP16,
        ("fp16", "CUDAExecutionProvider"): _FP16,
        ("int8", "CPUExecutionProvider"): _INT8,
        ("int8", "CUDAExecutionProvider"): _INT8,
        ("openvino-fp32", "OpenVINO CPU"): _FP32,
        ("openvino-int8", "OpenVINO CPU"): _INT8,
        # bf16 keeps 8 bits of a factor where fp16 keeps 11, so that rounding errors are up to 8 times as large, and so
        # is the share of answers that change.
        ("openvino-bf16", "OpenVINO CPU"): Tolerance(8 * _FP16.atol, 8 * _FP16.rtol, 0.98),
    }
)
"""Default tolerances. Below single precision, what counts is the agreement rather than individual numbers."""


class Deviation(NamedTuple):
    """Deviation of an output from PyTorch."""

    output: str
    error: float
    """Largest absolute difference."""
    magnitude: float
    """Largest absolute value in PyTorch."""


@dataclass(frozen=True, slots=True)
class Parity:
    """Result of a parity check of an ONNX file against PyTorch."""

    passed: bool = field(init=False)
    """Whether all deviations are within the tolerance."""
    tolerance: Tolerance
    max_abs_error: Mapping[str, float]
    """Largest absolute difference of each output except index maps, over all images and batch sizes."""
    max_magnitude: Mapping[str, float]
    """Largest absolute value of each output in PyTorch, over all images."""
    out_of_distribution_error: Mapping[str, float]
    """`max_abs_error` over `export.verify.out_of_distribution_images`, which are not part of any other number."""
    out_of_distribution_magnitude: Mapping[str, float]
    """`max_magnitude` over the same images."""
    agreement: Mapping[str, float]
    """Share of images (vectors) or patches (maps) with the same largest entry, or index, 0..1; for each output with
    named entries."""
    total_variation: float
    """Mean total variation between the class shares of a patch, 0..1."""
    images: int
    batch_sizes: tuple[int, ...]
    provider: Provider
    processor: str
    """Model name of the CPU, or of the GPU on CUDA: in int8, older CPUs lack instructions that keep sums from
    overflowing."""
    onnxruntime: str
    """Installed version, as the following; it reads the file's metadata where OpenVINO computes."""
    torch: str
    onnx: str
    onnxscript: str
    """Installed versions; those of torch, onnx and onnxscript determine the bytes of an export."""
    weights_sha256: str
    onnx_sha256: str
    openvino: str = ""
    """Version of OpenVINO, if it computed."""

    def __post_init__(self) -> None:
        near = all(error <= self.tolerance.max_abs_error(magnitude) for _, error, magnitude in self.deviations())
        object.__setattr__(
            self, "passed", near and min(self.required_agreement().values()) >= self.tolerance.min_agreement
        )

    def required_agreement(self) -> dict[str, float]:
        """Required agreement: of class logits, patch logits and index maps, which have no other measure."""
        return {
            output: share
            for output, share in self.agreement.items()
            if output in (LOGITS.name, PATCH_LOGITS.name) or output not in self.max_abs_error
        }

    def deviations(self) -> Iterator[Deviation]:
        """Deviation of each output, first on images of the data set, then on out-of-distribution images."""
        for errors, magnitudes in (
            (self.max_abs_error, self.max_magnitude),
            (self.out_of_distribution_error, self.out_of_distribution_magnitude),
        ):
            for output, error in errors.items():
                yield Deviation(output, error, magnitudes[output])


class ParityError(ZooError):
    """An ONNX file that deviates too much from PyTorch; `parity` has the numbers."""

    def __init__(self, file: str, parity: Parity) -> None:
        tolerance = parity.tolerance
        excess = {found: found.error - tolerance.max_abs_error(found.magnitude) for found in parity.deviations()}
        worst = max(excess, key=excess.__getitem__)
        if excess[worst] > 0:
            problem = (
                f"{worst.output} differs from PyTorch by up to {worst.error:.3g}, above the limit of "
                f"{tolerance.max_abs_error(worst.magnitude):.3g} (atol {tolerance.atol:g} + rtol {tolerance.rtol:g} x "
                f"its largest magnitude {worst.magnitude:.3g}); export the model again, or, if this is acceptable, "
                "raise --atol or --rtol"
            )
        else:
            required = parity.required_agreement()
            output = min(required, key=required.__getitem__)
            names = {LOGITS.name: "the most probable class", PATCH_LOGITS.name: "the strongest class"}
            what = names.get(output, output)
            problem = (
                f"{what} agrees with PyTorch for only {required[output]:.2%} of the "
                f"{'images' if output == LOGITS.name else 'patches'}, below the minimum of "
                f"{tolerance.min_agreement:.2%}; export the model in a higher precision, or calibrate with more images"
            )
        super().__init__(f"{file}: {problem}")
        self.parity = parity


def parity_table(model: str, execution: Execution, parity: Parity) -> Table:
    """Table of a parity check, as `zoo verify` prints it."""
    method = EXECUTIONS[execution]
    table = Table(
        title=f"{model}: {ENGINE_NAMES[method.engine]} in {method.precision} "
        f"{'matches PyTorch' if parity.passed else 'deviates too much from PyTorch'}",
        caption=f"{parity.images} images in batches of {', '.join(map(str, parity.batch_sizes))}, and "
        f"out-of-distribution images; {parity.provider}; mean total variation per patch {parity.total_variation:.1e}",
    )
    for heading in ("output", "max. absolute error", "limit", "out of distribution", "limit", "same top class"):
        table.add_column(heading, justify="left" if heading == "output" else "right")
    cells = {output: list[str]() for output in (*parity.max_abs_error, *parity.agreement)}
    for output, error, magnitude in parity.deviations():
        cells[output] += f"{error:.2e}", f"{parity.tolerance.max_abs_error(magnitude):.2e}"
    for output, numbers in cells.items():
        agreement = f"{parity.agreement[output]:.3%}" if output in parity.agreement else ""
        table.add_row(output, *(numbers or [""] * 4), agreement)
    return table
