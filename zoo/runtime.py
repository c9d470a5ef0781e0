"""How an ONNX file is computed: devices, engines, precisions and runtime settings."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, NamedTuple, get_args

from zoo.errors import InputError

ChosenDevice = Literal["cpu", "cuda"]
Device = Literal["auto", ChosenDevice]

Precision = Literal["fp32", "fp16", "int8"]
"""Precision of an ONNX file's weights and features; inputs and outputs have the same types in all."""

ComputePrecision = Literal[Precision, "bf16"]
"""Precision in which a file is computed; `bf16` computes the fp32 file with factors rounded to 8 bits."""

Engine = Literal["onnxruntime", "openvino"]

Execution = Literal["fp32", "fp16", "int8", "openvino-fp32", "openvino-bf16", "openvino-int8"]
"""Engine and precision, as in records, metrics and logs; ONNX Runtime is not named."""


class Method(NamedTuple):
    """What an `Execution` stands for."""

    engine: Engine
    precision: ComputePrecision
    file: Precision
    """Precision of the ONNX file."""


EXECUTIONS: Mapping[Execution, Method] = MappingProxyType(
    {
        "fp32": Method("onnxruntime", "fp32", "fp32"),
        "fp16": Method("onnxruntime", "fp16", "fp16"),
        "int8": Method("onnxruntime", "int8", "int8"),
        "openvino-fp32": Method("openvino", "fp32", "fp32"),
        "openvino-bf16": Method("openvino", "bf16", "fp32"),
        "openvino-int8": Method("openvino", "int8", "int8"),
    }
)

ENGINE_NAMES: Mapping[Engine, str] = MappingProxyType({"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"})


def execution_of(engine: Engine, precision: ComputePrecision) -> Execution:
    """The execution in a precision with an engine.

    Raises:
        InputError: the engine does not compute in this precision.
    """
    own: dict[ComputePrecision, Execution] = {
        method.precision: one for one, method in EXECUTIONS.items() if method.engine == engine
    }
    if precision not in own:
        raise InputError(
            f"{ENGINE_NAMES[engine]} does not compute in {precision} here: must be one of {', '.join(own)}; or use "
            "another engine"
        )
    return own[precision]


Optimization = Literal["basic", "extended", "all"]


@dataclass(frozen=True, slots=True)
class Runtime:
    """Settings of an engine on the CPU; `zoo tune` finds the best ones for a model and a machine.

    A batch is split into parts, which are computed concurrently with one thread each: threads that share nothing do not
    wait for each other, and the features of a few images fit in a core's cache. A batch with fewer images than streams
    is computed in one run, whose operations all threads share.
    """

    streams: int = 0
    """Parts computed concurrently; 0 for one per thread, 1 to compute one after the other with all threads."""
    part: int = 4
    """Maximum number of images in a part; 0 for no limit."""
    spin: bool = True
    """Whether threads that share an operation busy-wait for the next one; this and the following only with ONNX
    Runtime."""
    arena: bool = True
    """Whether memory is kept in an arena between runs."""
    optimization: Optimization = "all"
    """Level of graph optimisation: `extended` fuses operations, `all` also uses blocked memory layouts."""

    def __post_init__(self) -> None:
        for name in ("streams", "part"):
            if getattr(self, name) < 0:
                raise InputError(f"{name} = {getattr(self, name)}: must be at least 0")
        if self.optimization not in get_args(Optimization):
            raise InputError(
                f"optimization = {self.optimization!r}: must be one of {', '.join(get_args(Optimization))}"
            )

    def on(self, threads: int) -> "Runtime":
        """The same settings with the actual number of streams, in 1..threads."""
        return replace(self, streams=min(self.streams or threads, threads))

    def parts(self, images: int, threads: int) -> int:
        """Number of parts of nearly equal size that a batch is split into, the same for each stream."""
        streams = self.on(threads).streams
        if images < streams:
            return 1
        rounds = -(-images // (streams * self.part)) if self.part else 1
        return min(rounds * streams, images)

    def describe(self, threads: int) -> str:
        """Human-readable summary: how batches are split, and any other setting that is not the default."""
        streams = self.on(threads).streams
        size = "single images" if self.part == 1 else f"parts of up to {self.part} images"
        if streams == 1:
            division = f"{size}, one after the other" if self.part else "whole batches"
        else:
            division = f"{streams} streams, {size if self.part else 'one part each'}"
        others = {
            "no spinning": not self.spin,
            "no arena": not self.arena,
            f"optimization {self.optimization}": self.optimization != "all",
        }
        return ", ".join([division, *(words for words, differs in others.items() if differs)])
