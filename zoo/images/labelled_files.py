"""Paths of labelled images by split and class, whatever the layout that they were found in."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

MIN_CLASSES = 2


@dataclass(frozen=True, slots=True)
class LabelledFiles:
    """Image files with classes, of one or several splits."""

    classes: tuple[str, ...]
    """Names of the classes with images, sorted; in composed form, see `zoo.images.image_files.class_name`."""
    files: Mapping[str, Mapping[str, tuple[str, ...]]]
    """Paths of the images by split and class."""
    notes: tuple[str, ...]
    """Notes on ignored files and folders, one sentence each."""

    def of(self, split: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
        """Paths and class indices of a split's images."""
        paths: list[str] = []
        labels: list[int] = []
        for name, own in self.files[split].items():
            paths += own
            labels += [self.classes.index(name)] * len(own)
        return tuple(paths), tuple(labels)


def known_classes(files: Mapping[str, Iterable[str]]) -> set[str]:
    """Classes of `train`, or of all splits if there is no `train`, from those of each split."""
    return set(files["train"]) if "train" in files else {name for found in files.values() for name in found}
