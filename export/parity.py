"""How far an ONNX file is from its network, how far it may be, and the table that `zoo verify` prints."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, NamedTuple

from rich.table import Table

from zoo.errors import InputError, ZooError
from zoo.outputs import LOGITS
from zoo.runtime import Precision

Provider = Literal["CPUExecutionProvider", "CUDAExecutionProvider"]
"""ONNX Runtime's name of what computes."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far an ONNX file may be from its network.

    Rounding errors grow with the numbers that are rounded: each number of an output may differ by atol + rtol x m,
    where m is the largest magnitude that this output of the network has.
    """

    atol: float
    rtol: float
    min_agreement: float
    """Least share in 0..1 of images whose most probable class is the same."""

    def __post_init__(self) -> None:
        for name, value, example in (("atol", self.atol, 1e-4), ("rtol", self.rtol, 1e-5)):
            if not 0 <= value < math.inf:
                raise InputError(f"{name} = {value}: it must be 0 or more, and finite, such as {example:g}")
        if not 0 <= self.min_agreement <= 1:
            raise InputError(f"agreement = {self.min_agreement}: it is a share, from 0 to 1")

    def max_abs_error(self, magnitude: float) -> float:
        """Largest difference that is allowed where the largest magnitude is this."""
        return self.atol + self.rtol * magnitude


_FP16, _INT8 = Tolerance(0.1, 0.01, 0.99), Tolerance(100, 1, 0.97)

TOLERANCES: Mapping[tuple[Precision, Provider], Tolerance] = MappingProxyType(
    {
        ("fp32", "CPUExecutionProvider"): Tolerance(1e-4, 1e-5, 0.999),
        # It adds up in another order, and computes some convolutions by transforms.
        ("fp32", "CUDAExecutionProvider"): Tolerance(1e-3, 1e-4, 0.999),
        ("fp16", "CPUExecutionProvider"): _FP16,
        ("fp16", "CUDAExecutionProvider"): _FP16,
        ("int8", "CPUExecutionProvider"): _INT8,
        ("int8", "CUDAExecutionProvider"): _INT8,
    }
)
"""In less precision than PyTorch's, single numbers say little; what counts is whether the answer is the same."""


class Deviation(NamedTuple):
    """How far an output is from the network's."""

    output: str
    error: float
    """Largest absolute difference."""
    magnitude: float
    """Largest absolute value of the network's."""


@dataclass(frozen=True, slots=True)
class Parity:
    """How far an ONNX file is from its network."""

    passed: bool = field(init=False)
    """Whether everything is within the tolerance."""
    tolerance: Tolerance
    max_abs_error: Mapping[str, float]
    """Largest absolute difference of each output but index maps, over all images and batch sizes."""
    max_magnitude: Mapping[str, float]
    """Largest absolute value of each output of the network, over all images."""
    out_of_distribution_error: Mapping[str, float]
    """`max_abs_error` for `export.verify.out_of_distribution_images`, which count nowhere else."""
    out_of_distribution_magnitude: Mapping[str, float]
    """`max_magnitude` for them."""
    agreement: Mapping[str, float]
    """Share in 0..1 of images (vectors) or patches (maps) whose largest entry, or index, is the same; for each output
    that names its entries."""
    total_variation: float
    """Between the shares of the classes in a patch, in 0..1: the mean over all patches."""
    images: int
    batch_sizes: tuple[int, ...]
    provider: Provider
    processor: str
    """Of the machine: in 8 bits, older ones lack instructions that keep sums from overflowing."""
    onnxruntime: str
    torch: str
    onnx: str
    onnxscript: str
    """Versions beside which it was compared; PyTorch and these two decide on the bytes that an export gives."""
    weights_sha256: str
    onnx_sha256: str

    def __post_init__(self) -> None:
        near = all(error <= self.tolerance.max_abs_error(magnitude) for _, error, magnitude in self.deviations())
        object.__setattr__(
            self, "passed", near and min(self.required_agreement().values()) >= self.tolerance.min_agreement
        )

    def required_agreement(self) -> dict[str, float]:
        """Agreement that counts: of the class logits, and of the index maps, which have no other measure."""
        return {
            output: share
            for output, share in self.agreement.items()
            if output == LOGITS.name or output not in self.max_abs_error
        }

    def deviations(self) -> Iterator[Deviation]:
        """The deviation of each output, for images of the data set and then for out-of-distribution images."""
        for errors, magnitudes in (
            (self.max_abs_error, self.max_magnitude),
            (self.out_of_distribution_error, self.out_of_distribution_magnitude),
        ):
            for output, error in errors.items():
                yield Deviation(output, error, magnitudes[output])


class ParityError(ZooError):
    """An ONNX file that does not answer as its network does; `parity` has the numbers."""

    def __init__(self, file: str, parity: Parity) -> None:
        tolerance = parity.tolerance
        excess = {found: found.error - tolerance.max_abs_error(found.magnitude) for found in parity.deviations()}
        worst = max(excess, key=excess.__getitem__)
        if excess[worst] > 0:
            problem = (
                f"{worst.output} differs from PyTorch's by up to {worst.error:.3g}, above the limit of "
                f"{tolerance.max_abs_error(worst.magnitude):.3g} (atol {tolerance.atol:g} + rtol {tolerance.rtol:g} x "
                f"its largest magnitude {worst.magnitude:.3g}); export the model again, or, if its answers may be that "
                "far off, allow it with --atol or --rtol"
            )
        else:
            required = parity.required_agreement()
            output = min(required, key=required.__getitem__)
            what = "the most probable class" if output == LOGITS.name else output
            problem = (
                f"{what} is PyTorch's for {required[output]:.2%} of the "
                f"{'images' if output == LOGITS.name else 'patches'} only, "
                f"below {tolerance.min_agreement:.2%}; export the model in more precision, or from more images"
            )
        super().__init__(f"{file}: {problem}")
        self.parity = parity


def parity_table(model: str, precision: Precision, parity: Parity) -> Table:
    """The differences between an ONNX file's outputs and its network's, as `zoo verify` prints them."""
    table = Table(
        title=f"{model}: ONNX Runtime in {precision} "
        f"{'answers as PyTorch does' if parity.passed else 'is too far from PyTorch'}",
        caption=f"{parity.images} images in batches of {', '.join(map(str, parity.batch_sizes))}, and "
        f"out-of-distribution ones; {parity.provider}; mean total variation of a patch {parity.total_variation:.1e}",
    )
    for heading in ("output", "largest absolute error", "allowed", "out of distribution", "allowed", "same best class"):
        table.add_column(heading, justify="left" if heading == "output" else "right")
    cells = {output: list[str]() for output in (*parity.max_abs_error, *parity.agreement)}
    for output, error, magnitude in parity.deviations():
        cells[output] += f"{error:.2e}", f"{parity.tolerance.max_abs_error(magnitude):.2e}"
    for output, numbers in cells.items():
        agreement = f"{parity.agreement[output]:.3%}" if output in parity.agreement else ""
        table.add_row(output, *(numbers or [""] * 4), agreement)
    return table
