"""Splits of a data set as a model's training divided it: images trained on, and images held out."""

from collections.abc import Sequence
from functools import cached_property

from training.data.data_set import HELD_OUT, DataSet, EncodedImages, data_digest, data_set_name, hold_out, sample
from training.data.images import LabelledImages
from training.data.prepare import load
from zoo.errors import DataError, InputError
from zoo.images.image_files import class_name, listed
from zoo.package import ModelConfig, Package
from zoo.package.metrics import HELD_OUT_FIRST, HELD_OUT_SHARE, MEASURED_SPLITS, Training, own_metrics


class ModelData:
    """A data set for a model, divided like the model's training data if it is the same data set."""

    def __init__(self, package: Package, source: str) -> None:
        """Open a data set, without reading any image.

        Arguments:
            package: the model.
            source: as for `training.data.data_set.DataSet`.

        Raises:
            DataError: as for `DataSet`.
            InputError: its classes differ from the model's.
        """
        self.package, self.source = package, source
        self.name = data_set_name(source)
        self._data = DataSet(source)
        self.notes = list(self._data.notes)
        """Notes for the user on the images read so far, one sentence each."""
        _require_classes(self._data.classes, package.config, source)

    def choose(self, split: str | None = None, *, prefer_held_out: bool = False) -> str:
        """Choose the split to measure on: the given one, or the first of `MEASURED_SPLITS` that exists.

        Arguments:
            split: name of the split; None for the default.
            prefer_held_out: prefer held-out images.

        Raises:
            DataError: none of these exists.
        """
        if split is not None:
            return self._data.name_of(split)
        for name in HELD_OUT_FIRST if prefer_held_out else MEASURED_SPLITS:
            if self._held_out_share if name == HELD_OUT else self._data.find(name):
                return name
        raise DataError(
            f"{self.source} has no test or validation split, and {self._why_not_held_out()}; measure all of its images "
            "with --split train"
        )

    def load(self, split: str, limit: int | None = None, seed: int = 0) -> LabelledImages:
        """Decode a split at the model's input size; adds to `notes`.

        Arguments:
            split: name of a split. `held-out` is the part of the training split that was held out when the model was
            trained, and `train` the part that it was trained on.
            limit: maximum number of images; see `sample`.
            seed: seed of the sample.

        Raises:
            DataError: the split does not exist, or an image cannot be read that training did not skip.
        """
        split = self._data.name_of(split)
        if split == HELD_OUT:
            encoded = self._held_out()
        elif split == "train":
            encoded = self._trained_on()
        else:
            encoded = self._data.split(split)
        # As training did; removing them beforehand would change which images are held out.
        skip = split in (HELD_OUT, "train") and self.is_own
        images, unreadable = load(sample(encoded, limit, seed), self.package.config.input_size, skip_unreadable=skip)
        if unreadable:
            self.notes.append(f"skipping {len(unreadable)} unreadable {split} images; the first: {unreadable[0]}")
        return images

    @cached_property
    def _training(self) -> Training | None:
        return own_metrics(self.package).training

    @cached_property
    def is_own(self) -> bool:
        """Whether the model was trained on this data set, by digest, or by name if it records no digest."""
        if self._training is None:
            return False
        if self._training.data_digest is None:
            return self._training.data == self.name
        train = self._data.find("train")
        return train is not None and data_digest(train) == self._training.data_digest

    @property
    def _held_out_share(self) -> float:
        return self._training.held_out if self._training and self._training.held_out and self.is_own else 0.0

    def _held_out(self) -> EncodedImages:
        if not self._held_out_share:
            raise DataError(f"no held-out images, since {self._why_not_held_out()}; measure on another split")
        return hold_out(self._data.split("train"), self._held_out_share)[1]

    def _trained_on(self) -> EncodedImages:
        encoded = self._data.split("train")
        if self._training is None or not self.is_own:
            self.notes.append(f"{self._why_not_held_out()}: using all {len(encoded):,} images of its train split")
            return encoded
        if self._held_out_share:
            encoded = hold_out(encoded, self._held_out_share)[0]
        return sample(encoded, self._training.limit)

    def _why_not_held_out(self) -> str:
        name = self.package.config.name
        if self._training is None:
            return f"{name} has no record of its training images"
        if not self.is_own:
            return f"{self.source} is not the data set that {name} was trained on, or has changed since"
        return f"training held out no images of {self.source} (zoo train --hold-out {HELD_OUT_SHARE})"


def require_recordable(config: ModelConfig, source: str) -> None:
    """Refuse to record results on another data set than the model's.

    Raises:
        InputError: the data set is another.
    """
    if data_set_name(source) != config.data:
        raise InputError(f"--record --data {source}: only results on {config.data}, the model's data set, are recorded")


def _require_classes(classes: Sequence[str], config: ModelConfig, source: str) -> None:
    """Refuse a data set whose classes differ from a model's.

    Raises:
        InputError: the classes differ.
    """
    if list(classes) != [class_name(name) for name in config.classes]:
        raise InputError(
            f"the classes of {source} ({listed(classes)}) are not those of {config.name} ({listed(config.classes)}); "
            "all of them are needed"
        )
