"""What can be asked of a server, and how its answers are read; nothing here sends anything."""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import httpx2
import numpy as np
from PIL import Image
from pydantic import TypeAdapter

from serve.client.errors import NoAnswerError, ServerError
from serve.schemas import ClassifyAnswer, ErrorAnswer, ModelDescription, PatchSemanticsAnswer
from zoo.predictor import Array

Picture = str | Path | bytes | Image.Image
"""The path of a file, a file's bytes, or a picture in memory, which is sent without loss."""

Outcome = httpx2.Response | httpx2.RequestError
"""What became of a request."""

T = TypeVar("T")

_models = TypeAdapter(list[ModelDescription])


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A request."""

    method: str
    path: str
    read: Callable[[bytes], T]
    """What the body of its answer says."""
    accept: str = "application/json"
    params: Mapping[str, str | int] | None = None
    files: Sequence[tuple[str, tuple[str, bytes]]] | None = None

    def result(self, outcome: Outcome) -> T:
        """The answer.

        Raises:
            ServerError: the server says why there is none.
            NoAnswerError: there is none, or it is not one of the zoo's server.
        """
        if isinstance(outcome, httpx2.RequestError):
            raise NoAnswerError(
                f"no answer from {outcome.request.url}: {outcome or type(outcome).__name__}; is the server running, "
                "and the time limit long enough?"
            ) from outcome
        if not outcome.is_success:
            raise _error(outcome)
        try:
            return self.read(outcome.content)
        except ValueError as error:
            raise NoAnswerError(f"what answers at {outcome.url} is not a zoo server: {error}") from None


def classify(pictures: Sequence[Picture], model: str | None, top_k: int | None) -> Call[ClassifyAnswer]:
    """The most probable classes of each picture."""
    return Call(
        "POST",
        "/classify",
        ClassifyAnswer.model_validate_json,
        params=_given(model=model, top_k=top_k),
        files=_files(pictures),
    )


def patch_semantics(pictures: Sequence[Picture], model: str | None, top_k: int | None) -> Call[PatchSemanticsAnswer]:
    """What each patch of each picture looks like."""
    return Call(
        "POST",
        "/patch-semantics",
        PatchSemanticsAnswer.model_validate_json,
        params=_given(model=model, top_k=top_k),
        files=_files(pictures),
    )


def shares(pictures: Sequence[Picture], model: str | None) -> Call[Array]:
    """The same as an array."""
    return Call("POST", "/patch-semantics", _array, "application/x-npy", _given(model=model), _files(pictures))


def semantic_map(picture: Picture, model: str | None) -> Call[bytes]:
    """The same as a picture."""
    return Call("POST", "/patch-semantics", bytes, "image/png", _given(model=model), _files([picture]))


def models() -> Call[list[ModelDescription]]:
    """The models that are served."""
    return Call("GET", "/models", _models.validate_json)


def _given(**params: str | int | None) -> dict[str, str | int]:
    return {name: value for name, value in params.items() if value is not None}


def _files(pictures: Sequence[Picture]) -> list[tuple[str, tuple[str, bytes]]]:
    return [("file", _file(picture, f"picture {number}")) for number, picture in enumerate(pictures, start=1)]


def _file(picture: Picture, name: str) -> tuple[str, bytes]:
    if isinstance(picture, bytes):
        return name, picture
    if isinstance(picture, Image.Image):
        buffer = io.BytesIO()
        picture.save(buffer, "PNG", compress_level=1)
        return name, buffer.getvalue()
    file = Path(picture)
    return file.name, file.read_bytes()


def _array(data: bytes) -> Array:
    array: Array = np.load(io.BytesIO(data), allow_pickle=False)
    return array


def _error(response: httpx2.Response) -> ServerError:
    try:
        problem = ErrorAnswer.model_validate_json(response.content).error
    except ValueError:
        return ServerError(response.status_code, "http", response.text[:500])
    return ServerError(response.status_code, problem.code, problem.message)
