"""Embeddings of images by any predictor. Nothing here imports torch."""

from collections.abc import Sequence

import numpy as np

from zoo.errors import NoEmbeddingError
from zoo.images.preprocess import Pixels
from zoo.outputs import EMBEDDING, Array, Output
from zoo.predictors import Prediction, Predictor

BATCH = 64
"""Images per batch."""


def embed(predictor: Predictor, pixels: Pixels) -> Array:
    """Embeddings [N, D] of pixels [N, 3, S, S] of the model's input size, N >= 1, computed in batches of `BATCH`.

    Raises:
        NoEmbeddingError: the model's ONNX file was exported by an earlier version.
        InputError: the pixels have another type or shape.
    """
    parts = [pixels[start : start + BATCH] for start in range(0, max(len(pixels), 1), BATCH)]
    return np.concatenate([embedding_of(predictor(part), predictor.config.name) for part in parts])


def embedding_of(prediction: Prediction, reference: str) -> Array:
    """Embeddings [N, D] in a prediction of a model with this reference.

    Raises:
        NoEmbeddingError: as above.
    """
    if prediction.embedding is None:
        raise NoEmbeddingError(reference)
    return prediction.embedding


def require_embedding(outputs: Sequence[Output], reference: str) -> None:
    """Check that the outputs that the ONNX file of a model with this reference declares include the embedding.

    Raises:
        NoEmbeddingError: as above.
    """
    if EMBEDDING not in outputs:
        raise NoEmbeddingError(reference)
