"""Images to index, and those of files, folders and URLs. No torch."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from zoo.classify.sources import Source, Sources


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
