"""What claims are measured on: images, models and earlier results."""

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


@dataclass(frozen=True, slots=True)
class ClaimInputs:
    """Images, models and earlier results, by where they are."""

    source: str
    """Data set, as `--data` of `zoo train`."""
    images: int
    """Test images whose patches are looked at, at most; accuracies are of the whole split."""
    seed: int
    """Seed of locations and resamples; images are drawn by `training.data.data_set.sample`, the same ones each time."""
    records: Path
    """Folder of the records of runs."""
    reports: tuple[Path, ...] = ()
    """Folders that `zoo semantics` wrote, each of a model."""

    @property
    def data(self) -> str:
        """Short name of the data set."""
        return data_set_name(self.source)

    def package(self, variant: str) -> Package:
        """The model of a variant for the data set.

        Raises:
            PackageError: there is none.
        """
        return open_model(f"{variant}.{self.data}")

    def split(self, split: str, package: Package, limit: int | None = None) -> LabelledImages:
        """A split, or so many images of it, as a model takes them; `train` is what it was trained on.

        Raises:
            ClaimsError: it has other classes than the model.
        """
        try:
            data = ModelData(package, self.source)
        except InputError as error:
            raise ClaimsError(f"{error}; give the data set that it was trained on") from None
        if split == "train":
            return data.load(split, limit)
        return _load(self.source, split, package.config.input_size, limit)


@cache
def _load(source: str, split: str, size: int, limit: int | None) -> LabelledImages:
    return load_split(source, split, size, limit)
