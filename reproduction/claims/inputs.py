"""Inputs of the claims: images, models and records of runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from reproduction.claims.finding import ClaimsError
from training.data.data_set import data_set_name
from training.data.images import LabelledImages
from training.data.model_split import ModelData
from training.data.prepare import load_split
from zoo.errors import InputError
from zoo.hub import open_model
from zoo.package import Package
from zoo.package.metrics import own_metrics


@dataclass(frozen=True, slots=True)
class ClaimInputs:
    """Locations of images, models and records of runs."""

    source: str
    """Data set, as for `zoo train --data`."""
    images: int
    """Maximum number of images of each split whose patches are analysed."""
    seed: int
    """Seed of locations and resamples; `training.data.data_set.sample` draws the same images each time."""
    records: Path
    """Folder of the records of runs."""

    @property
    def data(self) -> str:
        """Short name of the data set."""
        return data_set_name(self.source)

    def trained_on(self, variants: Sequence[str]) -> str:
        """Numbers of training images of the models of variants, such as `50,000 (rn26), 45,000 (rn26-ours)`."""
        by_count: dict[str, list[str]] = {}
        for variant in variants:
            training = own_metrics(self.package(variant)).training
            by_count.setdefault("unknown" if training is None else f"{training.images:,}", []).append(f"`{variant}`")
        return "; ".join(f"{count} ({', '.join(names)})" for count, names in by_count.items())

    def package(self, variant: str) -> Package:
        """Open the model of a variant for the data set.

        Raises:
            PackageError: there is none.
        """
        return open_model(f"{variant}.{self.data}")

    def split(self, split: str, package: Package, limit: int | None = None) -> LabelledImages:
        """Load a split, or `limit` images of it, at a model's input size; `train` is the part that it was trained on.

        Raises:
            ClaimsError: its classes differ from the model's.
        """
        try:
            data = ModelData(package, self.source)
        except InputError as error:
            raise ClaimsError(f"{error}; give the data set of the model") from None
        if split == "train":
            return data.load(split, limit)
        return _load(self.source, split, package.config.input_size, limit)


@cache
def _load(source: str, split: str, size: int, limit: int | None) -> LabelledImages:
    return load_split(source, split, size, limit)
