"""Images to index: files, folders and URLs, or a split of a data set."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

from zoo.classify.sources import Source, Sources
from zoo.extras import importing
from zoo.images.class_folders import split_of

DEFAULT_SPLIT = "test"


@dataclass(frozen=True, slots=True)
class ImageSet:
    """Images that have not been read yet."""

    description: str
    """What they are, for people."""
    sources: Iterable[Source]
    count: int | None
    """Their number; None if it is not known."""
    classes: tuple[str, ...] = ()
    labels: Mapping[str, int] = field(default_factory=dict)
    """Class of an image by its name; that of others is not known."""


def images_of_paths(paths: tuple[str, ...]) -> ImageSet:
    """Images of files, folders and URLs, without classes; see `zoo.classify.sources.Sources`."""
    sources = Sources(paths)
    return ImageSet(", ".join(paths), sources, sources.count())


def images_of_split(data: str, split: str | None) -> ImageSet:
    """Images of one split of a data set, with their classes, named as in `test/00042`, by their number in the split.

    Arguments:
        data: as for `zoo train --data`.
        split: name of the split; None for `test`.

    Raises:
        DataError: the data set does not exist, has no such split, or no labels.
        MissingDependencyError: what reads data sets is not installed.
    """
    with importing("train", "--data"):
        from training.data.data_set import DataSet, data_set_name
    split = split_of(split or DEFAULT_SPLIT) or str(split)
    encoded = DataSet(data).split(split)
    names = [f"{split}/{index:05}" for index in range(len(encoded))]
    return ImageSet(
        f"{data_set_name(data)}, {split}",
        (Source(name, partial(encoded.files.read, index)) for index, name in enumerate(names)),
        len(names),
        encoded.classes,
        dict(zip(names, encoded.labels.tolist(), strict=True)),
    )
