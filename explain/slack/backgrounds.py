"""Backgrounds from the images of another data set."""

from collections.abc import Sequence

from torch import Tensor

from training.data.data_set import DataSet, sample
from training.data.prepare import load
from zoo.errors import InputError


def foreign_backgrounds(
    source: str, split: str, classes: Sequence[str] | None, count: int, size: int, seed: int
) -> Tensor:
    """Images [N, 3, size, size], uint8, of another data set; images repeat if there are fewer than N.

    Arguments:
        source: folder, name or Hub repository of the data set.
        split: split of the images in front: from `test`, the backgrounds are also of the test split, from any other of
            the training split, so that no background is used both to choose and to report.
        classes: names of the classes to use; None for all.
        count: N.
        size: side in pixels.
        seed: seed of the sample.

    Raises:
        InputError: a class is unknown.
        DataError: the data set cannot be read.
    """
    data = DataSet(source)
    encoded = data.split("test" if split == "test" else "train")
    if classes is not None:
        if unknown := [name for name in classes if name not in encoded.classes]:
            raise InputError(f"{source} has no class {unknown[0]!r}; its classes: {', '.join(encoded.classes)}")
        chosen = [encoded.classes.index(name) for name in classes]
        encoded = encoded.select([index for index, label in enumerate(encoded.labels.tolist()) if label in chosen])
    images = load(sample(encoded, count, seed), size, skip_unreadable=True).images.images
    return images.repeat(-(-count // len(images)), 1, 1, 1)[:count]
