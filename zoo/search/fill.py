"""Indexing of images: decoded by threads while others are computed."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from zoo.classify.answers import Failure, unreadable_error
from zoo.classify.decoding import Named, decode_in_batches
from zoo.errors import ImageError
from zoo.images.decode import decode_pixels
from zoo.images.preprocess import Pixels
from zoo.outputs import Array
from zoo.predictors import Prediction, Predictor
from zoo.predictors.embedding import embedding_of
from zoo.search.image_index import Header, ImageIndex, Kind
from zoo.search.image_set import ImageSet
from zoo.search.patches import patch_vectors, require_block
from zoo.search.thumbnails import thumbnail_of
from zoo.search.write import writing_index

Unreadable = Literal["stop", "skip"]


class DecodedImage(NamedTuple):
    """An image that was read."""

    name: str
    pixels: Pixels
    """Its centred square, [3, S, S]."""
    thumbnail: bytes
    """WebP file."""


def index_images(
    folder: Path,
    predictor: Predictor,
    images: ImageSet,
    kind: Kind = "images",
    unreadable: Unreadable = "skip",
    progress: Callable[[int, int], None] = lambda done, failed: None,
) -> tuple[ImageIndex, list[Failure]]:
    """Write the index of images; see `zoo.search.write.writing_index`.

    Arguments:
        folder: folder of the index.
        predictor: the model.
        images: the images.
        kind: whether images have vectors, their embeddings, or patches.
        unreadable: whether an image that cannot be read ends the work, or is left out.
        progress: called with the numbers of images done and left out.

    Returns:
        The index, and the images left out.

    Raises:
        ImageError: an image cannot be read, and `unreadable` says stop.
        InputError: the model has no semantic block, and `kind` says patches; there are no images.
        NoEmbeddingError: the model's ONNX file was exported by an earlier version.
    """
    config, failures, done = predictor.config, list[Failure](), 0
    if kind == "patches":
        require_block(config.variant)
    size = config.input_size
    blank = np.zeros((1, 3, size, size), np.uint8)
    # The shape is that of an answer: no file of a model says it.
    shape = (0, *vectors_of(kind, predictor(blank), config.name).shape[1:])
    header = Header(kind, config.name, config.weights_sha256, images.description, shape, images.classes)
    with writing_index(folder, header) as writer:
        for decoded, bad in decode_in_batches(images.sources, partial(decode_image, size)):
            if bad and unreadable == "stop":
                first = f"{bad[0].file}: {bad[0].reason}"
                raise ImageError(f"{first}; nothing was written: --unreadable skip leaves such images out")
            failures += bad
            if decoded:
                vectors = vectors_of(kind, predictor(np.stack([each.pixels for each in decoded])), config.name)
                for each, vector in zip(decoded, vectors, strict=True):
                    writer.add(each.name, vector, each.thumbnail, images.labels.get(each.name, -1))
            done += len(decoded) + len(bad)
            progress(done, len(failures))
        if failures and not writer.names:
            raise unreadable_error(failures, done)
    return ImageIndex.open(folder, config, kind), failures


def vectors_of(kind: Kind, prediction: Prediction, name: str) -> Array:
    """Vectors of the images of a prediction, [N, D] or those of their patches, [N, h, w, C + 1].

    Arguments:
        kind: whether images or patches have vectors.
        prediction: of the model.
        name: name of the model, for messages.

    Raises:
        NoEmbeddingError: the model's ONNX file was exported by an earlier version.
    """
    return patch_vectors(prediction) if kind == "patches" else embedding_of(prediction, name)


def decode_image(size: int, file: Named) -> DecodedImage:
    """Decode an image file for a network with input size `size`.

    Raises:
        ImageError: it is not an image.
    """
    square = decode_pixels(file.data, size)
    return DecodedImage(file.name, square.pixels, thumbnail_of(file.data, square))
