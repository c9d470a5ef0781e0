"""Patches of the measured networks: features of a sample, and the class shares of all."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from explain.semantics.collect import PatchSample, collect
from explain.semantics.shares import share_chunks
from reproduction.claims.inputs import ClaimInputs
from zoo.networks.load import load_package
from zoo.outputs import Array
from zoo.search.image_index import ImageIndex


class SplitPatches(NamedTuple):
    """Patches of N images of one split, with C classes and h * w patches per image."""

    labels: NDArray[np.int64]
    """Classes of the images, [N]."""
    sample: PatchSample
    """Sample of patches with their features before (and after) the block; at the same places for all networks."""
    shares: Array | None
    """Shares of the classes, [N, h * w, C], without `none` and with sum 1; None for a network without a block."""


@cache
def split_patches(inputs: ClaimInputs, variant: str, split: str) -> SplitPatches:
    """Run the model of a variant over images of a split.

    Raises:
        PackageError: there is no such model.
    """
    package = inputs.package(variant)
    images = inputs.split(split, package, inputs.images)
    source = f"{inputs.data}, {split}"
    with TemporaryDirectory(prefix="zoo-claims-", ignore_cleanup_errors=True) as folder:
        found = collect(load_package(package), images, package.config, source, Path(folder) / "index", inputs.seed)
        shares = None if found.index is None else _class_shares(found.index)
    return SplitPatches(images.labels.numpy(), found.sample, shares)


def _class_shares(index: ImageIndex) -> Array:
    """Shares of all patches without `none`: [N, h * w, C]."""
    classes = np.concatenate([shares[..., :-1] for _, shares in share_chunks(index)])
    return classes / np.maximum(classes.sum(axis=-1, keepdims=True), 1e-12)
