"""What is found in an index: its images, or patches of them, by their cosine with a query. No torch."""

from typing import Any, NamedTuple

from zoo.cutouts import Place
from zoo.errors import InputError
from zoo.outputs import Array
from zoo.search.image_index import ImageIndex
from zoo.search.nearest import nearest
from zoo.search.patches import nearest_cell

DEFAULT_COUNT = 10


class Hit(NamedTuple):
    """An image of an index that is like another, or a patch of it."""

    number: int
    """Of the image in the index."""
    name: str
    label: str | None
    """Its class, None where it has none."""
    cosine: float
    place: Place | None = None
    """Row and column of the patch, for an index of patches."""

    def to_json(self) -> dict[str, Any]:
        """The hit as a JSON value."""
        value: dict[str, Any] = {"name": self.name, "cosine": round(self.cosine, 6)}
        if self.label is not None:
            value["label"] = self.label
        if self.place is not None:
            value["row"], value["column"] = self.place
        return value


def check_count(count: int | None, images: int, name: str = "-k") -> int:
    """Number of hits to show: the given one, or `DEFAULT_COUNT`, or all images if there are fewer.

    Raises:
        InputError: the number is not from 1 to that of the images.
    """
    if count is None:
        return min(DEFAULT_COUNT, images)
    if not 1 <= count <= images:
        raise InputError(f"{name} = {count}: must be from 1 to {images:,}, the number of images in the index")
    return count


def check_threshold(threshold: float, name: str = "--threshold") -> float:
    """A threshold on cosines.

    Raises:
        InputError: it is not from -1 to 1.
    """
    if not -1 <= threshold <= 1:
        raise InputError(f"{name} = {threshold}: must be from -1 to 1, as cosines are")
    return threshold


def find_hits(index: ImageIndex, queries: Array, count: int, threshold: float = -1) -> list[list[Hit]]:
    """The `count` images, or patches of different images, with the largest cosine with each query [Q, D]."""
    images, cosines = nearest(index.vectors, queries, count)
    hits = []
    for query, own, values in zip(queries, images.tolist(), cosines.tolist(), strict=True):
        near = [(image, value) for image, value in zip(own, values, strict=True) if value >= threshold]
        hits.append([_hit(index, query, image, value) for image, value in near])
    return hits


def _hit(index: ImageIndex, query: Array, image: int, cosine: float) -> Hit:
    place = nearest_cell(index, image, query)[0] if index.header.kind == "patches" else None
    return Hit(image, index.names[image], index.label(image), cosine, place)
