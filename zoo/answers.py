"""From a prediction's arrays to what a person or a program asked: classes with probabilities, patch by patch."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoo.errors import InputError
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
    """What one patch looks like."""

    label: str
    """The strongest class."""
    probability: float
    """Its share."""
    none: float
    """The share that matches no class."""
    top: tuple[ClassShare, ...]


def softmax(logits: Array, axis: int) -> Array:
    """Probabilities of logits along an axis."""
    exponentials = np.exp(logits - logits.max(axis=axis, keepdims=True))
    probabilities: Array = exponentials / exponentials.sum(axis=axis, keepdims=True)
    return probabilities


def patch_shares(prediction: Prediction) -> Array:
    """The share of each class in each patch, [N, C + 1, h, w], `none` last, sums to 1.

    This is the assignment where the variant has the block. Without it, it is the soft-max of the patch logits, and
    `none` is 0.
    """
    if prediction.assignment is not None:
        return prediction.assignment
    shares = softmax(prediction.patch_logits, axis=1)
    return np.concatenate([shares, np.zeros_like(shares[:, :1])], axis=1)


def resolve_top_k(top_k: int | None, classes: tuple[str, ...]) -> int:
    """How many classes to list: as asked, or the default for None.

    Raises:
        InputError: not 1 <= top_k <= C.
    """
    if top_k is None:
        return min(DEFAULT_TOP_K, len(classes))
    if not 1 <= top_k <= len(classes):
        raise InputError(f"top_k = {top_k}: it must be between 1 and {len(classes)}, the number of classes")
    return top_k


def top_classes(logits: Array, classes: tuple[str, ...], top_k: int) -> tuple[ClassShare, ...]:
    """The most probable classes of one image, best first, from its class logits [C]."""
    return _top(softmax(logits, axis=0), classes, top_k)


def describe_patches(shares: Array, classes: tuple[str, ...], top_k: int) -> list[list[Patch]]:
    """What each patch of one image looks like, row by row, from its shares [C + 1, h, w]."""
    _, height, width = shares.shape
    return [[_patch(shares[:, row, column], classes, top_k) for column in range(width)] for row in range(height)]


def patch_answers(
    shares: Array, classes: tuple[str, ...], top_k: int, entities: Entities | None = None
) -> list[list[dict[str, object]]]:
    """The same for JSON; with entities each patch has the nearest one, as `entity`, and without them no such field."""
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
    """The maps of one image that a network declares beside the standard outputs, for JSON.

    Values are nested lists, with null where a number is not finite.
    """
    return [
        {
            "name": output.name,
            "kind": output.kind,
            "title": output.title,
            "legend": (legend := output.labels(classes)),
            "colours": label_colours(legend),
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
