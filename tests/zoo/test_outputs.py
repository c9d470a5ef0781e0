import numpy as np
import pytest

from zoo.errors import InputError
from zoo.outputs import (
    ASSIGNMENT,
    LOGITS,
    PATCH_LOGITS,
    STANDARD,
    Legend,
    Output,
    OutputKind,
    check_outputs,
    check_shape,
    templates_output,
)

CLASSES = ("cat", "dog", "bird")
GRID = (4, 5)
DEPTH = Output("depth", "scalar map", "Depth")
PART = Output("part", "index map", "Part", ("wing", "tail"))
TEXTURE = Output("texture", "class map", "Texture", ("fur", "feather"))
EMBEDDING = Output("embedding", "vector", "Embedding")


def test_legends_name_the_classes_of_the_model() -> None:
    assert LOGITS.labels(CLASSES) == CLASSES
    assert ASSIGNMENT.labels(CLASSES) == (*CLASSES, "none")
    assert PART.labels(CLASSES) == ("wing", "tail")
    assert DEPTH.labels(CLASSES) == ()
    numbered = ("cat 1", "cat 2", "dog 1", "dog 2", "bird 1", "bird 2", "none")
    assert templates_output(2).labels(CLASSES) == numbered


@pytest.mark.parametrize(("legend", "per_class"), [("classes", 0), (("wing", "tail"), 2)])
def test_only_classes_are_numbered(legend: Legend, per_class: int) -> None:
    with pytest.raises(ValueError, match=f"per_class = {per_class}: must be 1"):
        Output("part", "class map", "Part", legend, per_class)


@pytest.mark.parametrize(
    ("output", "shape"),
    [
        (LOGITS, (3,)),
        (PATCH_LOGITS, (3, 4, 5)),
        (ASSIGNMENT, (4, 4, 5)),
        (DEPTH, (4, 5)),
        (PART, (4, 5)),
        (TEXTURE, (2, 4, 5)),
        (templates_output(2), (7, 4, 5)),
        (EMBEDDING, (-1,)),
    ],
)
def test_shapes(output: Output, shape: tuple[int, ...]) -> None:
    assert output.shape(CLASSES, GRID) == shape
    check_shape(output, [7 if side == -1 else side for side in shape], output.dtype is np.int64, CLASSES, GRID)


@pytest.mark.parametrize(
    ("output", "shape", "integer"),
    [
        (DEPTH, [1, 4, 5], False),
        (DEPTH, [4, 4], False),
        (DEPTH, [4, 5], True),
        (PART, [4, 5], False),
        (TEXTURE, [3, 4, 5], False),
        (LOGITS, [4], False),
    ],
)
def test_arrays_of_another_shape_or_type_are_refused(output: Output, shape: list[int], integer: bool) -> None:
    with pytest.raises(InputError, match=f"output {output.name} is declared as {output.kind}"):
        check_shape(output, shape, integer, CLASSES, GRID)


def test_a_title_tells_no_output_from_another() -> None:
    assert Output("depth", "scalar map", "Distance") == DEPTH
    assert Output("depth", "index map", "Depth", ("near", "far")) != DEPTH


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ((*STANDARD, DEPTH, DEPTH), "depth names something else"),
        ((*STANDARD, Output("image", "scalar map", "")), "image names something else"),
        ((LOGITS,), "declares patch_logits"),
        ((PATCH_LOGITS, Output("logits", "scalar map", "")), "declares logits"),
    ],
)
def test_declarations_that_no_network_can_have(outputs: tuple[Output, ...], message: str) -> None:
    check_outputs((*STANDARD, DEPTH))
    with pytest.raises(InputError, match=message):
        check_outputs(outputs)


@pytest.mark.parametrize(
    ("name", "kind", "legend", "message"),
    [
        ("a b", "vector", (), "an identifier"),
        ("a", "index map", (), "without a legend"),
        ("a", "class map", (), "without a legend"),
        ("a", "scalar map", ("x",), "no legend"),
    ],
)
def test_declarations_without_meaning(name: str, kind: OutputKind, legend: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Output(name, kind, "", legend)
