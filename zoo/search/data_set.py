"""Images of a data set to index, which training reads: the only part of this package that needs torch."""

from functools import partial

from zoo.classify.sources import Source
from zoo.extras import importing
from zoo.images.class_folders import split_of
from zoo.search.image_set import ImageSet

DEFAULT_SPLIT = "test"


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
