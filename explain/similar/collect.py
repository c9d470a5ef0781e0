"""Pass of a network over a split, which writes the shares of all patches to disk and keeps the features of some."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from explain.similar.index import Origin, PatchIndex
from explain.tapping import Space, Tapped, tap
from training.data.images import LabelledImages
from zoo.images.preprocess import Pixels
from zoo.networks.network import Network
from zoo.outputs import Array

BATCH = 16
"""Batch size, small enough for the features to stay in the processor's cache."""

PATCHES_PER_IMAGE = 2
"""Number of patches per image whose features are kept; more of one image would be redundant."""


@dataclass(frozen=True, slots=True)
class PatchSample:
    """Sample of M patches with their features, some from each image."""

    image: NDArray[np.int64]
    """Indices of the images, [M], ascending."""
    cell: NDArray[np.int64]
    """Indices of the cells in reading order, [M]."""
    label: NDArray[np.int64]
    """Classes of the images, [M]."""
    spaces: dict[Space, Array]
    """Features [M, d] by space."""


@dataclass(frozen=True, slots=True)
class Collected:
    """Results of a network for a split of N images."""

    images: LabelledImages
    grid: tuple[int, int]
    """Rows and columns of the patch grid."""
    predicted: NDArray[np.intp]
    """Most probable classes, [N]."""
    sample: PatchSample
    index: PatchIndex | None
    """Index of all patches; None if the variant has no assignment."""


def collect(
    network: Network,
    images: LabelledImages,
    origin: Origin,
    folder: Path,
    seed: int,
    progress: Callable[[int], None] = lambda done: None,
    observe: Callable[[Tapped], None] = lambda tapped: None,
) -> Collected:
    """Run a network over a split.

    Arguments:
        network: network in evaluation mode.
        images: images of the split.
        origin: provenance of the index.
        folder: folder for the index.
        seed: seed for sampling the patches whose features are kept.
        progress: called with the number of images done.
        observe: called with the activations of each batch, in order.
    """
    count, labels, pixels = len(images.labels), images.labels.numpy(), images.images.numpy()
    first = tap(network, pixels[:1])
    _, rows, columns, _ = first.spaces["before"].shape
    index = None if first.shares is None else PatchIndex.create(folder, origin, images, (rows, columns))
    cells = _choose_cells(count, rows * columns, seed)
    kept = {name: np.empty((*cells.shape, x.shape[-1]), np.float32) for name, x in first.spaces.items()}
    predicted = np.empty(count, np.intp)
    for start in range(0, count, BATCH):
        part = slice(start, min(start + BATCH, count))
        tapped = tap(network, np.ascontiguousarray(pixels[part]))
        predicted[part] = tapped.logits.argmax(axis=1)
        observe(tapped)
        _keep(tapped, cells[part], {name: values[part] for name, values in kept.items()})
        if index is not None:
            index.shares[part] = tapped.shares
        progress(part.stop)
    if index is not None:
        index.finish()
    image = np.repeat(np.arange(count), cells.shape[1])
    flat = {name: values.reshape(len(image), -1) for name, values in kept.items()}
    sample = PatchSample(image, cells.ravel(), labels[image], flat)
    return Collected(images, (rows, columns), predicted, sample, index)


def patch_assignment(network: Network, pixels: Pixels, row: int, column: int) -> Array:
    """Shares [C + 1] of one patch of an image [3, S, S], for a network with a block."""
    shares = tap(network, pixels[None]).shares
    assert shares is not None
    return shares[0, row, column]


def _choose_cells(images: int, cells: int, seed: int) -> NDArray[np.int64]:
    """Distinct random cells of each image, [N, m]."""
    generator = np.random.default_rng(seed)
    return np.array([generator.choice(cells, min(PATCHES_PER_IMAGE, cells), replace=False) for _ in range(images)])


def _keep(tapped: Tapped, cells: NDArray[np.int64], kept: dict[Space, Array]) -> None:
    for name, features in tapped.spaces.items():
        flat = features.reshape(len(features), -1, features.shape[-1])
        kept[name][:] = np.take_along_axis(flat, cells[:, :, None], axis=1)
