"""The HTTP interface."""

import io
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from importlib.metadata import version
from typing import Annotated

import numpy as np
from fastapi import Depends, FastAPI, Query, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from serve.http import examples
from serve.http.answers import classify_answer, model_description, patch_semantics_answer
from serve.http.connected import WhileConnected
from serve.http.deadline import client_deadline, deadline_of
from serve.http.docs import add_docs
from serve.http.lean_route import LeanRoute
from serve.http.middleware.prefix import redirect_without_slash
from serve.http.middleware.stack import add_middleware
from serve.http.negotiation import negotiate
from serve.http.openapi import JSON, Responses, example, images_request, problems
from serve.http.page import add_page
from serve.http.problems import problem, problem_of
from serve.http.query import ImageQuery, refuse_query
from serve.http.upload import read_uploads
from serve.inference.models import ServedModel
from serve.inference.service import Result, Service
from serve.open_inference.routes import router as open_inference
from serve.schemas import ClassifyAnswer, ModelDescription, PatchSemanticsAnswer
from zoo.answers import DEFAULT_TOP_K, patch_shares, resolve_top_k
from zoo.errors import ZooError
from zoo.semantic_map import draw_semantic_map

NPY, PNG = "application/x-npy", "image/png"
BOXES = "X-Boxes"
"""Header of answers that are not JSON too: for each picture, the box that the network saw, as `box` in JSON answers."""

_PATCH_ANSWERS: Responses = {
    200: {
        "description": "JSON; the shares as an array [N, C + 1, h, w] of float32, `none` last; or the map "
        "drawn over one picture, as `Accept` says.",
        "content": {JSON: {"example": jsonable_encoder(examples.PATCH_SEMANTICS)}, NPY: {}, PNG: {}},
        "headers": {
            BOXES: {"description": "The box of each picture, as in JSON answers.", "schema": {"type": "string"}}
        },
    }
}

_log = logging.getLogger(__name__)


def create_app(service: Service) -> FastAPI:
    """The application that answers for a service; it closes the service when it ends."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        if not await run_in_threadpool(service.close):
            _log.warning("requests were still waiting after %s s; they are lost", service.settings.drain_seconds)

    app = FastAPI(
        title="template-zoo",
        summary="Image classification that shows what each patch of a picture looks like.",
        version=version("template-zoo"),
        lifespan=lifespan,
        responses=problems(414, 431),
        # Relative to the description itself, wherever a proxy serves it.
        servers=[{"url": "."}],
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[Depends(refuse_query)],
    )
    add_middleware(app, service.settings, service.metrics, service.admission, service.shared)
    app.add_exception_handler(ZooError, _zoo_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(ClientDisconnect, _client_gone)
    settings = service.settings
    most = max(len(model.package.config.classes) for model in service.models.values())

    class Described(ImageQuery):
        model: str | None = Field(
            None,
            description="A name of `/models`, or a variant that one of them has; the default model if none is given.",
            json_schema_extra={"enum": [*service.models.names]},
        )
        top_k: int | None = Field(
            None,
            description=f"Classes to list, 1 to C; {DEFAULT_TOP_K} if none is given.",
            json_schema_extra={"minimum": 1, "maximum": most},
        )

    async def ask(request: Request, model: ServedModel, draw: bool = False) -> Result:
        of_client = client_deadline(request)
        with service.enter() as place:
            uploads = await read_uploads(request, place, settings, 1 if draw else settings.max_files)
            place.add(items=len(uploads))
            async with WhileConnected(request):
                return await service.answer(model, uploads, deadline_of(of_client, settings), keep_images=draw)

    async def classify(request: Request, query: Annotated[Described, Query()]) -> Response:
        """The most probable classes of each picture."""
        served = service.model(query.model)
        top_k = resolve_top_k(query.top_k, served.package.config.classes)
        return Response(classify_answer(served, await ask(request, served), top_k), media_type=JSON)

    async def patch_semantics(request: Request, query: Annotated[Described, Query()]) -> Response:
        """What each patch of each picture looks like."""
        served = service.model(query.model)
        top_k = resolve_top_k(query.top_k, served.package.config.classes)
        kind = negotiate(",".join(request.headers.getlist("accept")), (JSON, NPY, PNG))
        result = await ask(request, served, draw=kind == PNG)
        body = await run_in_threadpool(_write, kind, served, result, top_k)
        return Response(
            body, media_type=kind, headers={BOXES: json.dumps([picture.box for picture in result.pictures])}
        )

    add_pictures_route = partial(
        app.router.add_api_route,
        methods=["POST"],
        openapi_extra=images_request(settings.max_files),
        route_class_override=LeanRoute,
    )
    add_pictures_route(
        "/classify",
        classify,
        response_model=ClassifyAnswer,
        responses=example(examples.CLASSIFY) | problems(401, 404, 408, 413, 415, 422, 429, 503, 504),
    )
    add_pictures_route(
        "/patch-semantics",
        patch_semantics,
        response_model=PatchSemanticsAnswer,
        responses=_PATCH_ANSWERS | problems(401, 404, 406, 408, 413, 415, 422, 429, 503, 504),
    )

    @app.get("/models", responses=example([examples.MODEL]) | problems(401, 422, 429))
    def models() -> list[ModelDescription]:
        """The models that answer here, the default one first."""
        return [model_description(model, default=index == 0) for index, model in enumerate(service.models.values())]

    @app.get("/healthz", response_class=PlainTextResponse, responses=example("ok\n"))
    async def healthz() -> str:
        """Whether the process lives."""
        return "ok\n"

    @app.get(
        "/readyz",
        response_class=PlainTextResponse,
        responses=example("ready\n") | example("not ready\n", 503, "Shutting down."),
    )
    async def readyz() -> PlainTextResponse:
        """Whether requests are taken: 200, or 503 while the server shuts down."""
        return PlainTextResponse("ready\n") if service.ready else PlainTextResponse("not ready\n", 503)

    @app.get(
        "/metrics", response_class=PlainTextResponse, responses=example(examples.METRICS) | problems(401, 422, 429)
    )
    def metrics() -> Response:
        """Counters for Prometheus."""
        return Response(service.metrics.exposition(), media_type=CONTENT_TYPE_LATEST)

    app.include_router(open_inference(service))
    add_docs(app)
    add_page(app)
    return app


def _write(kind: str, model: ServedModel, result: Result, top_k: int) -> bytes:
    if kind == JSON:
        return patch_semantics_answer(model, result, top_k)
    shares = patch_shares(result.prediction)
    buffer = io.BytesIO()
    if kind == NPY:
        np.save(buffer, shares)
    else:
        picture = result.pictures[0]
        assert picture.image is not None
        classes = model.package.config.classes
        draw_semantic_map(picture.image, shares[0], picture.box, classes, model.name).save(buffer, "PNG")
    return buffer.getvalue()


async def _zoo_error(request: Request, error: Exception) -> JSONResponse:
    return problem_of(error)


async def _validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    problems = "; ".join(f"{e['loc'][-1]} = {e['input']!r}: {e['msg']}" for e in error.errors())
    return problem(422, "input", problems)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message, headers = str(error.detail), error.headers
    if error.status_code == 404:
        if redirect := redirect_without_slash(request.scope, request.app.router):
            return redirect
        message = f"there is no {request.url.path}; see /docs"
    elif error.status_code == 405:
        # Static files of older Starlettes name no methods; they take GET.
        methods = set((headers or {}).get("Allow", "GET").split(", "))
        allowed = ", ".join(sorted(methods | {"HEAD"} if "GET" in methods else methods))
        headers = {"Allow": allowed}
        message = f"{request.url.path} does not take {request.method}; it takes {allowed}"
    code = HTTPStatus(error.status_code).name.lower()
    return problem(error.status_code, code, message, headers)


async def _client_gone(request: Request, error: Exception) -> Response:
    # Nobody reads it; the status, which nginx introduced, keeps these apart from the server's faults in the metrics.
    return Response(status_code=499)
