"""Calls of the server's API: how to build requests and parse responses. Nothing here uses the
network.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

import httpx2
import numpy as np
from PIL import Image
from pydantic import TypeAdapter

from serve.schemas import (
    ClassifyAnswer,
    ErrorAnswer,
    ModelDescription,
    OcclusionAnswer,
    PatchSemanticsAnswer,
    SearchAnswer,
    Timing,
)
from zoo.errors import ZooError
from zoo.outputs import Array

ImageInput = str | Path | bytes | Image.Image
"""Path of a file, contents of a file, or a Pillow image, which is sent losslessly."""

Outcome = httpx2.Response | httpx2.RequestError
"""Outcome of a request: a response, or the error that prevented it."""

T = TypeVar("T")
A = TypeVar("A", ClassifyAnswer, PatchSemanticsAnswer, SearchAnswer)

_models = TypeAdapter(list[ModelDescription])


class ClientError(ZooError):
    """Base class of the client's errors."""


class ServerError(ClientError):
    """The server responded with an error.

    Arguments:
        status: HTTP status.
        code: machine-readable code, such as `queue_full`; `http` if the response is not from a zoo server.
        message: human-readable message.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"the server responded with {status} ({code}): {message}")
        self.status = status
        self.code = code
        self.message = message


class NoAnswerError(ClientError):
    """No response in time, or one that is not from a zoo server."""


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A request, and how to parse its response."""

    method: str
    path: str
    read: Callable[[bytes], T]
    """Parser of the response body."""
    accept: str = "application/json"
    params: Mapping[str, str | float] | None = None
    images: Sequence[tuple[str, ImageInput]] = ()
    """Images, each with a name to use if it has no file name."""
    join: Callable[[Sequence[T]], T] | None = None
    """Joins the results of the call's parts; None for calls with at most one image."""

    def files(self) -> list[tuple[str, tuple[str, bytes]]]:
        """Form to send; reads and encodes the images."""
        return [("file", _file(image, name)) for name, image in self.images]

    def split(self, max_files: int, max_bytes: int) -> list["Call[T]"]:
        """Split the call into parts of at most `max_files` images and `max_bytes` bytes; a larger image is sent alone.

        Raises:
            OSError: an image file does not exist.
        """
        parts: list[list[tuple[str, ImageInput]]] = [[]]
        size = 0
        for name, image in self.images:
            size += (own := _size(image))
            if parts[-1] and (size > max_bytes or len(parts[-1]) == max_files):
                parts.append([])
                size = own
            parts[-1].append((name, image))
        return [replace(self, images=part) for part in parts]

    def result(self, outcome: Outcome) -> T:
        """Result of the call.

        Raises:
            ServerError: the server responded with an error.
            NoAnswerError: there is no response, or it is not from a zoo server.
        """
        if isinstance(outcome, httpx2.RequestError):
            late = ", or raise the timeout" if isinstance(outcome, httpx2.TimeoutException) else ""
            raise NoAnswerError(
                f"no response from {outcome.request.url}: {outcome or type(outcome).__name__}; check the address, and "
                f"that the server is running{late}"
            ) from outcome
        if not outcome.is_success:
            raise _error(outcome)
        try:
            return self.read(outcome.content)
        except ValueError as error:
            raise NoAnswerError(f"the response of {outcome.url} is not from a zoo server: {error}") from None


def classify(images: Sequence[ImageInput], model: str | None, top_k: int | None) -> Call[ClassifyAnswer]:
    """Most probable classes of each image."""
    return _json_call("/classify", ClassifyAnswer, images, model, top_k)


def patch_semantics(images: Sequence[ImageInput], model: str | None, top_k: int | None) -> Call[PatchSemanticsAnswer]:
    """Classes that each patch of each image looks like."""
    return _json_call("/patch-semantics", PatchSemanticsAnswer, images, model, top_k)


def embed(images: Sequence[ImageInput], model: str | None) -> Call[Array]:
    """Embeddings of images, as an array."""
    return _array_call("/embed", images, model)


def shares(images: Sequence[ImageInput], model: str | None) -> Call[Array]:
    """Shares of the classes in each patch, as an array."""
    return _array_call("/patch-semantics", images, model)


def semantic_map(image: ImageInput, model: str | None) -> Call[bytes]:
    """Semantic map drawn over the image."""
    return Call("POST", "/patch-semantics", bytes, "image/png", _without_none(model=model), _named([image]))


def search(
    images: Sequence[ImageInput], k: int | None, threshold: float | None, thumbnails: bool
) -> Call[SearchAnswer]:
    """Images of the server's index that are most like each image."""
    return Call(
        "POST",
        "/search",
        SearchAnswer.model_validate_json,
        params=_without_none(k=k, threshold=threshold, thumbnails="true" if thumbnails else None),
        images=_named(images),
        join=_join,
    )


def occlusion(image: ImageInput, model: str | None, label: str | None) -> Call[OcclusionAnswer]:
    """Occlusion map of an image."""
    return Call(
        "POST",
        "/occlusion",
        OcclusionAnswer.model_validate_json,
        params=_without_none(model=model, label=label),
        images=_named([image]),
    )


def models() -> Call[list[ModelDescription]]:
    """Served models."""
    return Call("GET", "/models", _models.validate_json)


def _json_call(
    path: str, answer: type[A], images: Sequence[ImageInput], model: str | None, top_k: int | None
) -> Call[A]:
    return Call(
        "POST",
        path,
        answer.model_validate_json,
        params=_without_none(model=model, top_k=top_k),
        images=_named(images),
        join=_join,
    )


def _array_call(path: str, images: Sequence[ImageInput], model: str | None) -> Call[Array]:
    params = _without_none(model=model)
    return Call("POST", path, _array, "application/x-npy", params, _named(images), np.concatenate)


def _without_none(**params: str | float | None) -> dict[str, str | float]:
    return {name: value for name, value in params.items() if value is not None}


def _named(images: Sequence[ImageInput]) -> list[tuple[str, ImageInput]]:
    return [(f"image {number}", image) for number, image in enumerate(images, start=1)]


def _size(image: ImageInput) -> int:
    """Approximate size of an image's file, in bytes."""
    if isinstance(image, bytes):
        return len(image)
    if isinstance(image, Image.Image):
        return image.width * image.height * len(image.getbands())
    return Path(image).stat().st_size


def _file(image: ImageInput, name: str) -> tuple[str, bytes]:
    if isinstance(image, bytes):
        return name, image
    if isinstance(image, Image.Image):
        buffer = io.BytesIO()
        image.save(buffer, "PNG", compress_level=1)
        return name, buffer.getvalue()
    file = Path(image)
    return file.name, file.read_bytes()


def _join(answers: Sequence[A]) -> A:
    first = answers[0]
    for answer in answers:
        if answer.model != first.model:
            raise NoAnswerError(
                f"the server's model changed from {first.model} to {answer.model} during the call; repeat the call"
            )
    timing = Timing(
        queue_ms=sum(answer.timing.queue_ms for answer in answers),
        compute_ms=sum(answer.timing.compute_ms for answer in answers),
        batch=max(answer.timing.batch for answer in answers),
    )
    results = [result for answer in answers for result in answer.results]
    return first.model_copy(update={"results": results, "timing": timing})


def _array(data: bytes) -> Array:
    array: Array = np.load(io.BytesIO(data), allow_pickle=False)
    return array


def _error(response: httpx2.Response) -> ServerError:
    try:
        problem = ErrorAnswer.model_validate_json(response.content).error
    except ValueError:
        return ServerError(response.status_code, "http", response.text[:500])
    return ServerError(response.status_code, problem.code, problem.message)
