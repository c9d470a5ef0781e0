"""Declarations of a network's outputs: name, shape and meaning. Nothing here imports torch.

A network declares them once (`Network.outputs`). Its ONNX files carry the declarations, and everything that handles a
prediction follows them: parity, predictors, the server's answers and its page.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, with_config

from zoo.errors import InputError

Array = NDArray[np.float32]

INPUT = "image"
"""Name of the input of ONNX files and of the Open Inference Protocol."""

NONE = "none"
"""Name of the slack, the share of a patch that matches no class, in answers and legends."""

OutputKind = Literal["vector", "class map", "index map", "scalar map"]
"""Shape of an output for N images on an h x w patch grid: vector [N, K]; class map [N, K, h, w], one number per name
and patch; index map [N, h, w], one integer per patch; scalar map [N, h, w], one number per patch."""

Legend = Literal["classes", "classes and none"] | tuple[str, ...]
"""Names of a vector's or class map's K entries, or of an index map's values: the model's classes, the classes followed
by the slack, or names of its own; empty where the numbers have no names."""


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True)
class Output:
    """A declared output of a network."""

    name: str
    """Identifier, also used in ONNX files and the Open Inference Protocol."""
    kind: OutputKind
    title: str = field(compare=False)
    """Human-readable name; outputs that differ in it alone are equal."""
    legend: Legend = ()
    per_class: int = 1
    """Entries per class, where the legend is the classes; they are numbered: `cat 1`, `cat 2`, `dog 1`."""

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise ValueError(f"name = {self.name!r}: expected an identifier, such as patch_logits")
        if self.kind in ("class map", "index map") and not self.legend:
            raise ValueError(
                f"{self.name}: output of kind {self.kind!r} without a legend; give the names of its entries"
            )
        if self.kind == "scalar map" and self.legend:
            raise ValueError(f"{self.name}: a scalar map has one number per patch and no legend")
        if self.per_class < 1 or (self.per_class > 1 and not isinstance(self.legend, str)):
            raise ValueError(f"{self.name}: per_class = {self.per_class}: must be 1, or more with a legend of classes")

    def labels(self, classes: tuple[str, ...]) -> tuple[str, ...]:
        """Legend for a model with these classes."""
        if not isinstance(self.legend, str):
            return self.legend
        if self.per_class > 1:
            classes = tuple(f"{name} {number}" for name in classes for number in range(1, self.per_class + 1))
        return (*classes, NONE) if self.legend == "classes and none" else classes

    def shape(self, classes: tuple[str, ...], grid: tuple[int, int]) -> tuple[int, ...]:
        """Shape for one image; -1 for a vector whose entries have no names."""
        entries = len(self.labels(classes)) or -1
        return {"vector": (entries,), "class map": (entries, *grid), "index map": grid, "scalar map": grid}[self.kind]

    def declaration(self) -> dict[str, object]:
        """Fields as values for JSON, `per_class` only where it is not 1."""
        return {name: value for name, value in asdict(self).items() if name != "per_class" or value != 1}

    @property
    def is_ranked(self) -> bool:
        """Whether the largest entry along axis 1 is an answer, such as the most probable class."""
        return self.kind in ("vector", "class map") and bool(self.legend)

    @property
    def dtype(self) -> type[np.int64 | np.float32]:
        """NumPy type of the values."""
        return np.int64 if self.kind == "index map" else np.float32


LOGITS = Output("logits", "vector", "Class logits", "classes")
PATCH_LOGITS = Output("patch_logits", "class map", "Patch logits", "classes")
ASSIGNMENT = Output("assignment", "class map", "Assignment", "classes and none")

EMBEDDING = Output("embedding", "vector", "Embedding")
"""The features that the classifier sees, [N, D]: its size is not that of the classes, so it has no legend."""

OPTIONAL = (EMBEDDING,)
"""Outputs that an ONNX file of the zoo's networks may lack, as files exported by earlier versions do."""

TEMPLATES = "templates"
"""Name of the output of networks with several templates per class."""


def templates_output(per_class: int) -> Output:
    """The assignment to the templates themselves, of which each class has several."""
    return Output(TEMPLATES, "class map", "Templates", "classes and none", per_class)


KEPT_MASS = Output("kept_mass", "scalar map", "What was kept")
"""Share of each patch that generalised sum pooling keeps, [N, h, w]."""

STANDARD = (LOGITS, PATCH_LOGITS, ASSIGNMENT)
"""Outputs of the zoo's networks that describe classes; those without a semantic block have no assignment."""


def check_outputs(outputs: Sequence[Output]) -> None:
    """Check the declarations of a network.

    Raises:
        InputError: two outputs have the same name, one has the input's, or class logits and patch logits are not there
            as every network has them.
    """
    names = [output.name for output in outputs]
    if repeated := {name for name in names if names.count(name) > 1 or name == INPUT}:
        raise InputError(f"outputs {', '.join(names)}: {', '.join(sorted(repeated))} names something else already")
    for required in (LOGITS, PATCH_LOGITS):
        if required not in outputs:
            raise InputError(
                f"outputs {', '.join(names)}: every network declares {required.name} as zoo.outputs does, a "
                f"{required.kind} of the classes"
            )


def check_shape(
    output: Output, shape: Sequence[int], integer: bool, classes: tuple[str, ...], grid: Sequence[int]
) -> None:
    """Check that an array is what its output declares.

    Arguments:
        output: the declaration.
        shape: of the array for one image.
        integer: whether its numbers are integers.
        classes: of the model.
        grid: rows and columns of the patch grid.

    Raises:
        InputError: the shape, or the type of the numbers, is another one.
    """
    rows, columns = grid
    expected = output.shape(classes, (rows, columns))
    wrong = len(shape) != len(expected) or any(-1 != want != got for want, got in zip(expected, shape, strict=True))
    if wrong or integer != (output.dtype is np.int64):
        raise InputError(
            f"output {output.name} is declared as {output.kind} {list(expected)} of {output.dtype.__name__}, and is "
            f"{list(shape)} of {'integers' if integer else 'floating-point numbers'}, for each image"
        )
