"""On what, in which precision and how ONNX Runtime computes."""

from dataclasses import dataclass, replace
from typing import Literal, get_args

from zoo.errors import InputError

Device = Literal["auto", "cpu", "cuda"]

Precision = Literal["fp32", "fp16", "int8"]
"""Of an ONNX file's weights and features; what goes in and comes out is the same in all."""

Optimization = Literal["basic", "extended", "all"]


@dataclass(frozen=True, slots=True)
class Runtime:
    """How ONNX Runtime computes on the CPU; `zoo tune` finds the best for a model and a machine.

    A batch is computed in parts, several at the same time with one thread each: threads that share nothing wait for
    nothing, and what a few images need stays in a core's cache. Fewer images than there are streams are computed in
    one run, whose operations all threads share.
    """

    streams: int = 0
    """Parts computed at the same time; 0 for one a thread, 1 for one after the other, each by all threads."""
    part: int = 4
    """Images in a part at most; 0 for any number."""
    spin: bool = True
    """Whether threads that share an operation wait for the next one without sleeping."""
    arena: bool = True
    """Whether memory is kept between runs."""
    optimization: Optimization = "all"
    """How far the graph is rewritten: `extended` fuses operations, `all` also lays features out in blocks."""

    def __post_init__(self) -> None:
        for name in ("streams", "part"):
            if getattr(self, name) < 0:
                raise InputError(f"{name} = {getattr(self, name)}: it must be at least 0")
        if self.optimization not in get_args(Optimization):
            raise InputError(f"optimization = {self.optimization!r}: it is one of {', '.join(get_args(Optimization))}")

    def on(self, threads: int) -> "Runtime":
        """The same with the number of streams, at least 1, that so many threads make of it."""
        return replace(self, streams=min(self.streams or threads, threads))

    def parts(self, images: int, threads: int) -> int:
        """Into how many parts of nearly equal size a batch is divided: as many for each stream."""
        streams = self.on(threads).streams
        if images < streams:
            return 1
        rounds = -(-images // (streams * self.part)) if self.part else 1
        return min(rounds * streams, images)

    def describe(self, threads: int) -> str:
        """How batches are divided, and what else is not the default, for people to read."""
        streams = self.on(threads).streams
        size = "single images" if self.part == 1 else f"parts of up to {self.part} images"
        if streams == 1:
            division = f"{size}, one after the other" if self.part else "whole batches"
        else:
            division = f"{streams} streams, {size if self.part else 'a part for each'}"
        others = {
            "no spinning": not self.spin,
            "no arena": not self.arena,
            f"optimization {self.optimization}": self.optimization != "all",
        }
        return ", ".join([division, *(words for words, differs in others.items() if differs)])
