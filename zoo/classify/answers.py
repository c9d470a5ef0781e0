"""What is known of an image that was classified, and the interface of who classifies it."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from zoo.answers import ClassShare
from zoo.classify.sources import Source
from zoo.errors import ImageError


class Answer(NamedTuple):
    """The most probable classes of one image."""

    file: str
    """Path or URL of the image, as it was given."""
    width: int
    height: int
    """Size of the upright image in pixels."""
    box: Sequence[float]
    """Part of it that the network saw; see `zoo.images.preprocess.Box`."""
    classes: Sequence[ClassShare]

    def to_json(self) -> dict[str, Any]:
        """The answer as a JSON value, like one result of the server's `/classify`."""
        size = {"width": self.width, "height": self.height}
        classes = [share._asdict() for share in self.classes]
        return {"file": self.file, "image": size, "box": list(self.box), "classes": classes}


class Failure(NamedTuple):
    """An image that could not be read."""

    file: str
    reason: str


def unreadable_error(failures: Sequence[Failure], total: int) -> ImageError:
    """Error that lists the images, out of `total`, that could not be read."""
    lines = [f"{failure.file}: {failure.reason}" for failure in failures]
    problem = f"{len(failures):,} of {total:,} images cannot be read:"
    return ImageError(f"cannot read {lines[0]}" if total == 1 else "\n  ".join([problem, *lines]))


class Classifier(Protocol):
    """A model that answers for images, here or on a server."""

    @property
    def identity(self) -> dict[str, str]:
        """Fields that identify the model and its weights."""

    @property
    def top_k(self) -> int:
        """Number of classes of each answer."""

    def answers(self, sources: Iterable[Source]) -> Iterator[list[Answer | Failure]]:
        """Answers in the order of the images, a batch at a time."""
