"""Occlusion maps: how far a class logit falls when a part of the image is covered."""

from typing import NamedTuple

import numpy as np

from serve.inference.batcher import BatchTiming
from serve.inference.decoding import Upload
from serve.inference.models import ServedModel
from serve.inference.service import Result, Service
from zoo.images.preprocess import Pixels
from zoo.outputs import Array

MAX_SIDE = 8
"""Maximum number of rows, and of columns: a map costs at most 65 images, however fine the patch grid is."""


class OcclusionMap(NamedTuple):
    """Occlusion map of one image."""

    result: Result
    """The image and its prediction; the timing is that of all batches."""
    label: int
    """Index of the explained class."""
    drops: Array
    """Decrease of its logit when the part is covered, [rows, columns]; the parts divide the image evenly."""


def images_at_once(service: Service) -> int:
    """Number of images that an occlusion map has in flight."""
    return min(service.models.max_batch, service.settings.max_files, MAX_SIDE**2)


async def occlude(
    service: Service, model: ServedModel, upload: Upload, label: int | None, deadline: float
) -> OcclusionMap:
    """Compute the occlusion map of an image, on the patch grid or on `MAX_SIDE` rows and columns if it is finer.

    The covered images are computed in parts, one after another, so that other requests are computed in between.

    Arguments:
        service: running service.
        model: one of its models.
        upload: image file.
        label: index of the class; None for the predicted one.
        deadline: on the clock of `time.monotonic`.

    Raises:
        ZooError: as for `Service.answer`.
    """
    result = await service.answer(model, [upload], deadline)
    logits = result.prediction.logits[0]
    chosen = int(logits.argmax()) if label is None else label
    rows, columns = (min(side, MAX_SIDE) for side in result.prediction.patch_logits.shape[2:])
    pixels, size = result.images[0].pixels, images_at_once(service)
    covered, timing = [], result.timing
    for first in range(0, rows * columns, size):
        parts = range(first, min(first + size, rows * columns))
        answer = await service.compute(model, cover(pixels, rows, columns, parts), deadline)
        covered.append(answer.prediction.logits[:, chosen])
        timing = _add(timing, answer.timing)
    drops = logits[chosen] - np.concatenate(covered).reshape(rows, columns)
    return OcclusionMap(result._replace(timing=timing), chosen, drops)


def cover(pixels: Pixels, rows: int, columns: int, parts: range) -> Pixels:
    """Copies of an image [3, S, S] with one of `rows` x `columns` parts each in the image's mean colour."""
    mean = pixels.mean(axis=(1, 2), keepdims=True).round().astype(np.uint8)
    tops, lefts = (np.linspace(0, pixels.shape[1], count + 1).round().astype(int) for count in (rows, columns))
    copies = np.repeat(pixels[None], len(parts), axis=0)
    for copy, part in zip(copies, parts, strict=True):
        row, column = divmod(part, columns)
        copy[:, tops[row] : tops[row + 1], lefts[column] : lefts[column + 1]] = mean
    return copies


def _add(one: BatchTiming, other: BatchTiming) -> BatchTiming:
    return BatchTiming(one.queue + other.queue, one.compute + other.compute, max(one.batch, other.batch))
