from typing import Annotated

import pytest
from fastapi import FastAPI, Query, Request
from fastapi.responses import JSONResponse, Response
from starlette.testclient import TestClient

from serve.errors import UnknownParameterError
from serve.http.request import ImageQuery, read_query
from serve.http.routes import LeanRoute
from zoo.errors import InputError


@pytest.mark.parametrize(
    ("query", "model", "top_k"),
    [
        (b"", None, None),
        (b"&", None, None),
        (b"top_k=3", None, 3),
        (b"model=a%20b&top_k=-1", "a b", -1),
        (b"model=gr%C3%B6%C3%9Fe", "größe", None),
        ("model=größe".encode(), "größe", None),
        (b"model=", "", None),
    ],
)
def test_what_is_read(query: bytes, model: str | None, top_k: int | None) -> None:
    assert read_query(query, ImageQuery) == ImageQuery(model=model, top_k=top_k)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (b"topk=2", r"unknown query parameter 'topk'; did you mean top_k\?"),
        (b"TOP_K=2", "unknown query parameter 'TOP_K'; available: model, top_k"),
        (b"x", "unknown query parameter 'x'; available: model, top_k"),
        (b"%1b[31m" + b"x" * 9999, r"unknown query parameter '\\x1b\[31mx.{0,40}'; available: model, top_k"),
    ],
)
def test_unknown_parameters(query: bytes, message: str) -> None:
    with pytest.raises(UnknownParameterError, match=f"^{message}$"):
        read_query(query, ImageQuery)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (b"top_k=2&top_k=2", "top_k is repeated, as '2' and '2'; send it once"),
        (b"top_k=", "top_k = '': Input should be a valid integer"),
        (b"top_k=1.5", "top_k = '1.5': Input should be a valid integer"),
        (b"top_k=" + b"9" * 9999, r"top_k = '9+\.\.\.9+': Unable to parse"),
    ],
)
def test_values_that_cannot_be(query: bytes, message: str) -> None:
    with pytest.raises(InputError, match=f"^{message}"):
        read_query(query, ImageQuery)


def test_a_parameter_that_is_declared_is_read_and_described() -> None:
    class More(ImageQuery):
        threshold: float = 0.5

    async def endpoint(request: Request, query: Annotated[More, Query()]) -> Response:
        return JSONResponse(query.model_dump())

    app = FastAPI()
    app.router.add_api_route("/", endpoint, methods=["POST"], route_class_override=LeanRoute)
    described = {each["name"] for each in app.openapi()["paths"]["/"]["post"]["parameters"]}
    answer = TestClient(app).post("/?threshold=0.25").json()
    assert answer == {"model": None, "top_k": None, "threshold": 0.25}
    assert described == set(answer)


def test_a_parameter_that_would_be_documented_and_never_read_is_refused() -> None:
    async def endpoint(request: Request, query: Annotated[ImageQuery, Query()], threshold: float = 0.5) -> Response:
        raise AssertionError

    with pytest.raises(TypeError, match=r"must be \(request, query\), not \(request, query, threshold\)"):
        FastAPI().router.add_api_route("/", endpoint, methods=["POST"], route_class_override=LeanRoute)
