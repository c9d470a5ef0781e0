"""What `zoo verify` found of an ONNX file, and how far it may be from its network."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from zoo.errors import InputError, ZooError
from zoo.runtime import Precision


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
