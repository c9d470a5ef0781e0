"""Index of images that the server searches, and the model that it was made with."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import ImageIndexError
from zoo.package import Package
from zoo.search.image_index import ImageIndex, read_header


@dataclass(frozen=True, slots=True)
class ServedIndex:
    """Index of images, and the model that its queries are embedded by."""

    model: str
    """Name of one of the served models."""
    images: ImageIndex


def open_index(folder: str | None, packages: Iterable[Package]) -> ServedIndex | None:
    """Open the index that the server was given, or None if it was given none.

    Arguments:
        folder: folder of the index.
        packages: model directories of the served models.

    Raises:
        ImageIndexError: it cannot be opened, is not of images, or is of a model that is not served.
    """
    if folder is None:
        return None
    path, configs = Path(folder).expanduser(), [package.config for package in packages]
    header = read_header(path)
    for config in configs:
        if config.weights_sha256 == header.weights_sha256:
            return ServedIndex(config.name, ImageIndex.open(path, config, "images"))
    raise ImageIndexError(
        f"index = {folder}: it was made by {header.model} with weights of SHA-256 {header.weights_sha256[:16]}, and "
        f"served are {', '.join(f'{config.name} with {config.weights_sha256[:16]}' for config in configs)}; serve that "
        "model, or make another index with `zoo index`"
    )
