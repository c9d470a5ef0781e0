"""Use of the templates of classes that have several: how many take patches, and whether they know where a patch is."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import entropy

from explain.stats import Floats
from zoo.outputs import Array
from zoo.search.patches import Match

PERMUTATIONS = 100
"""Number of permutations for each null distribution."""

MAX_PATCHES = 1_000_000
"""Maximum number of patches for the information on positions; those of randomly sampled images beyond it."""

Within = Literal["class", "class and image"]
"""Patches among which templates are permuted."""


class Null(NamedTuple):
    """Distribution of the information when it is only chance."""

    mean: float
    quantile: float
    """95% quantile."""


class Position(NamedTuple):
    """What the template of a patch tells about its cell beyond its class."""

    patches: int
    information: float
    """Conditional mutual information of template and cell given the class, in bits per patch."""
    entropy: float
    """Conditional entropy of the template given the class, in bits per patch, which the information cannot exceed."""
    nulls: Mapping[Within, Null]
    """The same for templates permuted among all patches of a class, or among those of a class in the same image: above
    the first, templates know positions; above the second, they do so within an image."""


class TemplateUse(NamedTuple):
    """Use of M templates per class in a split."""

    usage: Floats
    """Share of each template in its class's share, over all patches, [C, M]."""
    perplexity: Floats
    """Effective number of templates of each class, [C]: exponential of the entropy of their usage, from 1 to M."""
    patch_perplexity: Floats
    """The same within single patches, [C], averaged by the class's share: M if patches do not tell templates apart."""
    position: Position
    strongest: tuple[tuple[Match, ...], ...]
    """Patches with the largest share of each template, [C * M], at most one per image; their distance is 1 - share."""


class TemplateTally:
    """Templates of the patches of a split, taken batch by batch: nothing is kept per patch and template.

    Arguments:
        classes: C.
        examples: number of patches to keep for each template.
    """

    def __init__(self, classes: int, examples: int) -> None:
        self._classes, self._examples, self._images = classes, examples, 0
        self._sums: Floats = np.zeros(())
        self._patch_entropy = np.zeros(classes)
        self._strongest_class: list[NDArray[np.int32]] = []
        self._template: list[NDArray[np.int16]] = []
        self._best: Array | None = None
        self._where: NDArray[np.int64] = np.zeros(0, np.int64)
        self._grid = (0, 0)

    def add(self, shares: Array) -> None:
        """Add the next images, by the shares of their templates, [n, h, w, C * M + 1], `none` last."""
        count, *self._grid, _ = shares.shape  # type: ignore[assignment]
        by_template = shares[..., :-1].reshape(count, -1, self._classes, (shares.shape[-1] - 1) // self._classes)
        by_class = by_template.sum(axis=3)
        self._sums = self._sums + by_template.sum(axis=(0, 1), dtype=np.float64)
        within = _times_log(by_class) - _times_log(by_template).sum(axis=3)
        self._patch_entropy += within.sum(axis=(0, 1), dtype=np.float64)
        chosen = by_class.argmax(axis=2)
        own = np.take_along_axis(by_template, chosen[:, :, None, None], axis=2)[:, :, 0]
        self._strongest_class.append(chosen.astype(np.int32))
        self._template.append(own.argmax(axis=2).astype(np.int16))
        self._keep_strongest(by_template.reshape(count, by_template.shape[1], -1))
        self._images += count

    def _keep_strongest(self, shares: Array) -> None:
        count, cells, _ = shares.shape
        best = shares.max(axis=1)
        where = (self._images + np.arange(count))[:, None] * cells + shares.argmax(axis=1)
        if self._best is not None:
            best, where = np.concatenate([self._best, best]), np.concatenate([self._where, where])
        order = np.argsort(-best, axis=0, kind="stable")[: self._examples]
        self._best, self._where = np.take_along_axis(best, order, axis=0), np.take_along_axis(where, order, axis=0)

    def measure(self, seed: int) -> TemplateUse:
        """Use of the templates in the images added so far, at least one."""
        mass = self._sums.sum(axis=1)
        usage = self._sums / np.maximum(mass, np.finfo(np.float64).tiny)[:, None]
        return TemplateUse(
            usage=usage,
            perplexity=np.exp(-_times_log(usage).sum(axis=1)),
            patch_perplexity=np.exp(self._patch_entropy / np.maximum(mass, np.finfo(np.float64).tiny)),
            position=measure_position(
                np.concatenate(self._strongest_class), np.concatenate(self._template), usage.shape[1], seed
            ),
            strongest=self._matches(),
        )

    def _matches(self) -> tuple[tuple[Match, ...], ...]:
        assert self._best is not None
        rows, columns = self._grid
        found = zip(self._where.T.tolist(), self._best.T.tolist(), strict=True)
        return tuple(
            tuple(
                Match(patch // (rows * columns), patch // columns % rows, patch % columns, 1 - share)
                for patch, share in zip(patches, shares, strict=True)
            )
            for patches, shares in found
        )


def measure_position(
    classes: NDArray[np.integer], templates: NDArray[np.integer], per_class: int, seed: int
) -> Position:
    """Measure what the templates of patches tell about their cells beyond the class.

    Counts of few patches seem informative by chance alone, so that the information is to be compared with that of
    permuted templates.

    Arguments:
        classes: strongest class of each patch, [N, h * w].
        templates: strongest template of that class, 0..M - 1, [N, h * w].
        per_class: M.
        seed: seed of sampled images and of permutations.
    """
    generator = np.random.default_rng(seed)
    images, cells = classes.shape
    chosen = np.sort(generator.choice(images, min(images, max(MAX_PATCHES // cells, 1)), replace=False))
    image = np.repeat(np.arange(len(chosen)), cells)
    cell = np.tile(np.arange(cells), len(chosen))
    _, label = np.unique(classes[chosen].ravel(), return_inverse=True)
    template = templates[chosen].ravel().astype(np.int64)

    def counts(order: NDArray[np.intp], permuted: NDArray[np.int64]) -> Floats:
        places = (label[order] * per_class + permuted) * cells + cell[order]
        shape = (int(label.max()) + 1, per_class, cells)
        return np.bincount(places, minlength=int(np.prod(shape))).reshape(shape).astype(np.float64)

    own = counts(np.arange(label.size), template)
    groups: dict[Within, NDArray[np.int64]] = {"class": label, "class and image": label * len(chosen) + image}
    nulls: dict[Within, Null] = {}
    for within, group in groups.items():
        order = np.argsort(group, kind="stable")
        sorted_group, in_order = group[order], template[order]
        found = [
            _information(counts(order, in_order[np.argsort(sorted_group + generator.random(group.size))]))
            for _ in range(PERMUTATIONS)
        ]
        nulls[within] = Null(float(np.mean(found)), float(np.quantile(found, 0.95)))
    shares = own.sum(axis=(1, 2)) / own.sum()
    return Position(label.size, _information(own), float(shares @ entropy(own.sum(axis=2), axis=1, base=2)), nulls)


def _information(counts: Floats) -> float:
    """Conditional mutual information in bits of template and cell, from counts [C, M, cells] without empty classes."""
    by_template, by_cell = counts.sum(axis=2), counts.sum(axis=1)
    joint = entropy(counts.reshape(len(counts), -1), axis=1, base=2)
    information = entropy(by_template, axis=1, base=2) + entropy(by_cell, axis=1, base=2) - joint
    total = by_cell.sum(axis=1)
    return float(total @ information / total.sum())


def _times_log(shares: NDArray[np.floating]) -> NDArray[np.floating]:
    """x log x, with 0 at 0."""
    return shares * np.log(np.maximum(shares, np.finfo(shares.dtype).tiny))
