"""Pass of a network over a split, which writes the shares of all patches to disk and keeps the features of some."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from explain.tapping import Space, Tapped, tap
from training.data.images import LabelledImages
from zoo.networks.network import Network
from zoo.outputs import Array
from zoo.package import ModelConfig
from zoo.search.image_index import Header, ImageIndex
from zoo.search.patches import roots_of
from zoo.search.thumbnails import thumbnail_of_pixels
from zoo.search.write import writing_index

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
    index: ImageIndex | None
    """Index of all patches; None if the variant has no assignment."""


def collect(
    network: Network,
    images: LabelledImages,
    config: ModelConfig,
    source: str,
    folder: Path,
    seed: int,
    progress: Callable[[int], None] = lambda done: None,
    observe: Callable[[Tapped], None] = lambda tapped: None,
) -> Collected:
    """Run a network over a split, and index its patches.

    Arguments:
        network: network in evaluation mode.
        images: images of the split.
        config: configuration of the model.
        source: what the images are, for people.
        folder: folder for the index.
        seed: seed for sampling the patches whose features are kept.
        progress: called with the number of images done.
        observe: called with the activations of each batch, in order.
    """
    count, labels, pixels = len(images.labels), images.labels.numpy(), images.images.numpy()
    first = tap(network, pixels[:1])
    _, rows, columns, _ = first.spaces["before"].shape
    cells = _choose_cells(count, rows * columns, seed)
    kept = {name: np.empty((*cells.shape, x.shape[-1]), np.float32) for name, x in first.spaces.items()}
    predicted = np.empty(count, np.intp)
    shape = (0, rows, columns, len(images.classes) + 1)
    header = Header("patches", config.name, config.weights_sha256, source, shape, images.classes)
    with nullcontext() if first.shares is None else writing_index(folder, header) as writer:
        for start in range(0, count, BATCH):
            part = slice(start, min(start + BATCH, count))
            tapped = tap(network, np.ascontiguousarray(pixels[part]))
            predicted[part] = tapped.logits.argmax(axis=1)
            observe(tapped)
            _keep(tapped, cells[part], {name: values[part] for name, values in kept.items()})
            if writer is not None and tapped.shares is not None:
                for number, roots in enumerate(roots_of(tapped.shares), start):
                    thumbnail = thumbnail_of_pixels(pixels[number])
                    writer.add(images.where(number), roots, thumbnail, int(labels[number]))
            progress(part.stop)
    index = None if writer is None else ImageIndex.open(folder, config)
    image = np.repeat(np.arange(count), cells.shape[1])
    flat = {name: values.reshape(len(image), -1) for name, values in kept.items()}
    sample = PatchSample(image, cells.ravel(), labels[image], flat)
    return Collected(images, (rows, columns), predicted, sample, index)


def _choose_cells(images: int, cells: int, seed: int) -> NDArray[np.int64]:
    """Distinct random cells of each image, [N, m]."""
    generator = np.random.default_rng(seed)
    return np.array([generator.choice(cells, min(PATCHES_PER_IMAGE, cells), replace=False) for _ in range(images)])


def _keep(tapped: Tapped, cells: NDArray[np.int64], kept: dict[Space, Array]) -> None:
    for name, features in tapped.spaces.items():
        flat = features.reshape(len(features), -1, features.shape[-1])
        kept[name][:] = np.take_along_axis(flat, cells[:, :, None], axis=1)
