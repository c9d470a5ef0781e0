"""Search of an index for what is like an image, or like a patch of it. No torch."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from zoo.classify.answers import Failure
from zoo.classify.decoding import decode_in_batches
from zoo.classify.sources import Source
from zoo.cutouts import Place
from zoo.predictors import Predictor
from zoo.search.fill import DecodedImage, decode_image, vectors_of
from zoo.search.hits import Hit, find_hits
from zoo.search.image_index import ImageIndex
from zoo.search.nearest import unit
from zoo.search.patches import check_place


class Found(NamedTuple):
    """An image, and what is like it, the nearest first."""

    query: DecodedImage
    hits: Sequence[Hit]


def search(
    index: ImageIndex,
    predictor: Predictor,
    sources: Iterable[Source],
    count: int,
    threshold: float = -1,
    place: Place | None = None,
) -> tuple[list[Found], list[Failure]]:
    """Find what is like each image.

    Arguments:
        index: index of images, or of patches if there is a place.
        predictor: model of the index.
        sources: the images.
        count: largest number of hits of each.
        threshold: smallest cosine of a hit.
        place: row and column of the patch of each image that others are compared with; None for whole images.

    Returns:
        Hits of each image, and the images that cannot be read.

    Raises:
        InputError: the place is outside the patch grid.
        NoEmbeddingError: the model's ONNX file was exported by an earlier version.
    """
    if place is not None:
        check_place(place, index.grid)
    found, failures = list[Found](), list[Failure]()
    for images, bad in decode_in_batches(sources, partial(decode_image, predictor.config.input_size)):
        failures += bad
        if images:
            prediction = predictor(np.stack([image.pixels for image in images]))
            vectors = vectors_of(index.header.kind, prediction, predictor.config.name)
            queries = unit(vectors if place is None else vectors[:, place[0], place[1]], "query")
            hits = find_hits(index, queries, count, threshold)
            found += map(Found, images, hits)
    return found, failures
