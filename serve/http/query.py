"""Query parameters: one model is what requests are read by and what the OpenAPI document is made from."""

from collections.abc import Iterable
from reprlib import repr as short
from typing import TypeVar
from urllib.parse import parse_qsl

from fastapi import Request
from pydantic import BaseModel, Field, ValidationError

from serve.errors import UnknownParameterError
from serve.http.auth import is_public
from serve.http.middleware.prefix import route_path
from zoo.answers import DEFAULT_TOP_K
from zoo.errors import InputError, suggestion


class ImageQuery(BaseModel):
    """Query parameters of the endpoints that take images.

    A new parameter is a field here, and nothing else: it is then documented, read, and named in error messages.
    """

    model: str | None = Field(
        None,
        description="A name of `/models`, or a variant that one of them has; the default model if none is given.",
    )
    top_k: int | None = Field(None, description=f"Classes to list, 1 to C; {DEFAULT_TOP_K} if none is given.")


Q = TypeVar("Q", bound=BaseModel)


def read_query(query: bytes, kind: type[Q]) -> Q:
    """Read the query string of a request as a model whose fields are its parameters.

    Raises:
        UnknownParameterError: it has another parameter.
        InputError: a parameter is given twice, or its value is of the wrong type.
    """
    values = _parse(query, kind.model_fields)
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        wrong = [f"{each['loc'][0]} = {short(each['input'])}: {each['msg']}" for each in error.errors()]
        raise InputError("; ".join(wrong)) from None


async def refuse_query(request: Request) -> None:
    """Dependency of endpoints without query parameters.

    Probes and the page's files take any: monitors and browsers add parameters that defeat caches.

    Raises:
        UnknownParameterError: the request has one.
    """
    query = request.scope["query_string"]
    if query and not is_public(route_path(request.scope)):
        _parse(query, ())


def _parse(query: bytes, known: Iterable[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, value in parse_qsl(query.decode("utf-8", "replace"), keep_blank_values=True):
        if name not in known:
            raise UnknownParameterError(f"unknown query parameter {short(name)}; {suggestion(name, known)}")
        if name in values:
            raise InputError(f"{name} is given twice, as {short(values[name])} and {short(value)}; give it once")
        values[name] = value
    return values
