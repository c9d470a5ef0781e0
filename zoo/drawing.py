"""Drawings of answers over their images, for notebooks. Nothing here imports torch."""

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from zoo.answers import patch_shares, top_classes
from zoo.errors import InputError
from zoo.images.decode import decode, read_image
from zoo.images.preprocess import Box, centre_square, image_of_array
from zoo.images.rgb import to_rgb
from zoo.predictors import Prediction
from zoo.printable import printable
from zoo.semantic_map import draw_semantic_map

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.networks.network import Semantics


def draw(
    answer: "Semantics | Prediction",
    image: "str | PathLike[str] | bytes | Image.Image | NDArray[Any] | Tensor",
    classes: Sequence[str] | None = None,
    *,
    index: int | None = None,
) -> Image.Image:
    """Draw an answer over its image: each patch in the colour of its strongest class, with a legend.

    The opacity of a patch is its share of that class. The legend's title is the most probable class of the image; its
    numbers are the mean shares of the classes over the patches.

    Arguments:
        answer: what `model.semantics` or a predictor answered for the pixels of the image, from `model.pixels`.
        image: the same image, whole: path, bytes, Pillow image, or array [H, W, 3]; the part beside the centred square,
            which a network does not see, is dimmed. Or the pixels themselves, [3, H, W] or [N, 3, H, W].
        classes: names of the classes; None for those in the answer, or numbers where it has none.
        index: which image of the answer it is; needed for several.

    Returns:
        An RGB image, which a notebook shows.

    Raises:
        ImageError: the file cannot be read, or is not an image.
        InputError: the index is missing or out of range, or the number of names is not that of the classes.
    """
    if not hasattr(answer, "patch_logits"):
        raise InputError(f"expected the answer of model.semantics or of a predictor, got a {type(answer).__name__}")
    logits = _array(answer.logits)
    count, number = logits.shape
    if index is None and count > 1:
        raise InputError(f"the answer has {count} images; give the index of the one to draw, from 0 to {count - 1}")
    row = index or 0
    if not -count <= row < count:
        raise InputError(f"index = {index}: the answer has {count} images, from 0 to {count - 1}")
    names = tuple(classes or getattr(answer, "classes", ()) or (f"class {index}" for index in range(number)))
    if len(names) != number:
        raise InputError(f"{len(names)} names were given for {number} classes; name each of them")
    shares = _shares(answer)[row]
    whole = _open(image, row)
    rows, columns = shares.shape[1:]
    # Pixels of another shape than a square were not cut from the image.
    box = centre_square(*whole.size) if rows == columns else Box(0, 0, *whole.size)
    [best] = top_classes(logits[row], names, 1)
    return draw_semantic_map(whole, shares, box, names, f"answer: {printable(best.label)} ({best.probability:.1%})")


def _shares(answer: "Semantics | Prediction") -> NDArray[np.float32]:
    """Share of each class in each patch, [N, C + 1, h, w], `none` last."""
    if isinstance(answer, Prediction):
        return patch_shares(answer)
    from zoo.outputs import ASSIGNMENT, LOGITS, PATCH_LOGITS

    outputs = [LOGITS, PATCH_LOGITS, *([] if answer.assignment is None else [ASSIGNMENT])]
    return patch_shares(Prediction(outputs, [_array(getattr(answer, output.name)) for output in outputs]))


def _array(values: Any) -> NDArray[np.float32]:
    """A tensor on any device, or an array, as an array."""
    return np.asarray(values.detach().cpu().float() if hasattr(values, "detach") else values)


def _open(image: "str | PathLike[str] | bytes | Image.Image | NDArray[Any] | Tensor", row: int) -> Image.Image:
    """The image, in RGB; of several, the one in a row."""
    if isinstance(image, Image.Image):
        return to_rgb(image)
    if isinstance(image, bytes):
        return decode(image)
    if isinstance(image, (str, PathLike)):
        return read_image(image)
    if not isinstance(image, np.ndarray):
        if not hasattr(image, "detach"):
            raise InputError(f"expected an image (path, bytes, Pillow image or array), got {type(image).__name__}")
        image = image.detach().cpu().numpy()
        pixels = image[row] if image.ndim == 4 else image
        image = pixels.transpose(1, 2, 0) if pixels.ndim == 3 else pixels
    return to_rgb(image_of_array(image))
