"""Readable answers from a prediction's arrays: classes with probabilities, for the image and for each patch."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoo.errors import InputError, UnknownNameError
from zoo.outputs import STANDARD, Array
from zoo.package.entities import Entities
from zoo.predictors import Prediction
from zoo.semantic_map import label_colours

DEFAULT_TOP_K = 5


class ClassShare(NamedTuple):
    """A class and its probability, or its share of a patch."""

    label: str
    probability: float


class Patch(NamedTuple):
    """Class shares of one patch."""

    label: str
    """Class with the largest share."""
    probability: float
    """Share of that class."""
    none: float
    """Share that matches no class."""
    top: tuple[ClassShare, ...]


def softmax(logits: Array, axis: int) -> Array:
    """Softmax of logits along an axis."""
    exponentials = np.exp(logits - logits.max(axis=axis, keepdims=True))
    probabilities: Array = exponentials / exponentials.sum(axis=axis, keepdims=True)
    return probabilities


def patch_shares(prediction: Prediction) -> Array:
    """Share of each class in each patch, [N, C + 1, h, w]; `none` comes last, and the shares sum to 1.

    The assignment for variants with the semantic block; for others the softmax of the patch logits, with `none` = 0.
    """
    if prediction.assignment is not None:
        return prediction.assignment
    shares = softmax(prediction.patch_logits, axis=1)
    return np.concatenate([shares, np.zeros_like(shares[:, :1])], axis=1)


def resolve_top_k(top_k: int | None, classes: tuple[str, ...]) -> int:
    """Number of classes to list; None selects `DEFAULT_TOP_K`, or all classes if there are fewer.

    Raises:
        InputError: top_k is not in 1..C.
    """
    if top_k is None:
        return min(DEFAULT_TOP_K, len(classes))
    if not 1 <= top_k <= len(classes):
        raise InputError(f"top_k = {top_k}: must be between 1 and {len(classes)}, the number of classes")
    return top_k


def class_index(label: str, classes: tuple[str, ...]) -> int:
    """Index of a class.

    Raises:
        UnknownNameError: there is no such class.
    """
    if label not in classes:
        raise UnknownNameError("class", label, classes)
    return classes.index(label)


def top_classes(logits: Array, classes: tuple[str, ...], top_k: int) -> tuple[ClassShare, ...]:
    """Most probable classes of one image, best first, from its class logits [C]."""
    return _top(softmax(logits, axis=0), classes, top_k)


def describe_patches(shares: Array, classes: tuple[str, ...], top_k: int) -> list[list[Patch]]:
    """Class shares of each patch of one image, row by row, from an array [C + 1, h, w]."""
    _, height, width = shares.shape
    return [[_patch(shares[:, row, column], classes, top_k) for column in range(width)] for row in range(height)]


def patch_answers(
    shares: Array, classes: tuple[str, ...], top_k: int, entities: Entities | None = None
) -> list[list[dict[str, object]]]:
    """The same as JSON values; with entities, each patch also names the nearest one in the field `entity`."""
    rows = [
        [{**patch._asdict(), "top": [share._asdict() for share in patch.top]} for patch in row]
        for row in describe_patches(shares, classes, top_k)
    ]
    if entities is not None:
        for row, nearest in zip(rows, entities.nearest(shares).tolist(), strict=True):
            for patch, index in zip(row, nearest, strict=True):
                patch["entity"] = entities.labels[index]
    return rows


def map_answers(prediction: Prediction, row: int, classes: tuple[str, ...]) -> list[dict[str, object]]:
    """Maps of one image that a network declares beyond the standard outputs, as JSON values.

    Values are nested lists, with null where a number is not finite.
    """
    return [
        {
            "name": output.name,
            "kind": output.kind,
            "title": output.title,
            "legend": (legend := output.labels(classes)),
            "colours": label_colours(legend, output.per_class),
            "values": _json_values(prediction[output.name][row]),
        }
        for output in prediction.outputs
        if output.kind != "vector" and output not in STANDARD
    ]


def _patch(shares: Array, classes: tuple[str, ...], top_k: int) -> Patch:
    top = _top(shares[:-1], classes, top_k)
    return Patch(top[0].label, top[0].probability, float(shares[-1]), top)


def _top(values: Array, classes: tuple[str, ...], top_k: int) -> tuple[ClassShare, ...]:
    order = (-values).argsort(kind="stable")[:top_k]
    return tuple(map(ClassShare, [classes[index] for index in order], values[order].tolist()))


def _json_values(values: NDArray[Any]) -> list[Any]:
    finite = np.isfinite(values)
    if not finite.all():
        values = values.astype(object)
        values[~finite] = None
    found: list[Any] = values.tolist()
    return found
