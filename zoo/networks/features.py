"""Features of a network at several depths: what they are, and which of them to return, as in timm."""

from collections.abc import Iterable
from typing import TypedDict

from zoo.errors import InputError


class Feature(TypedDict):
    """Facts about the features of one depth."""

    num_chs: int
    """Number of channels."""
    reduction: int
    """Ratio of the input's height and width to theirs."""
    module: str
    """Name of the module that computes them, also for `torchvision.models.feature_extraction`."""


class FeatureInfo(tuple[Feature, ...]):
    """Facts about features, from the first to the last."""

    __slots__ = ()

    def channels(self) -> list[int]:
        """Number of channels of each."""
        return [feature["num_chs"] for feature in self]

    def reduction(self) -> list[int]:
        """Reduction of each."""
        return [feature["reduction"] for feature in self]

    def module_name(self) -> list[str]:
        """Name of the module of each."""
        return [feature["module"] for feature in self]

    def take(self, indices: int | Iterable[int] | None) -> "FeatureInfo":
        """Some of the features, in ascending order of depth.

        Arguments:
            indices: indices, negative ones from the end; a number n for the last n; None for all.

        Raises:
            InputError: an index is out of range, or there is none.
        """
        count = len(self)
        if indices is None:
            indices = count
        if isinstance(indices, int):
            if not 1 <= indices <= count:
                raise InputError(f"the last {indices} features: must be from 1 to {count}")
            return FeatureInfo(self[count - indices :])
        chosen = list(indices)
        if not chosen:
            raise InputError(f"no indices of features: give some of 0 to {count - 1}, or None for all")
        for index in chosen:
            if not -count <= index < count:
                raise InputError(f"feature index {index}: must be from {-count} to {count - 1}")
        return FeatureInfo(self[index] for index in sorted({index % count for index in chosen}))
