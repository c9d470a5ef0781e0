"""The HTTP interface."""

import asyncio
import io
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Annotated, Any

import numpy as np
from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from serve.errors import SlowUploadError, code_of, status_of
from serve.middleware import Measure
from serve.negotiation import negotiate
from serve.schemas import (
    ClassifyAnswer,
    ErrorAnswer,
    ModelDescription,
    PatchSemanticsAnswer,
    classify_answer,
    patch_semantics_answer,
)
from serve.service import Result, ServedModel, Service
from serve.upload import FIELD, IMAGE_TYPES, read_uploads
from zoo.answers import DEFAULT_TOP_K, patch_shares, resolve_top_k
from zoo.errors import ZooError
from zoo.picture import draw_semantic_map

JSON, NPY, PNG = "application/json", "application/x-npy", "image/png"
BOXES = "X-Boxes"
"""Header of answers that are not JSON too: for each picture, the box that the network saw, as `box` in JSON answers."""

ModelName = Annotated[str | None, Query(description="A name of `/models`; the default model if none is given.")]
TopK = Annotated[int | None, Query(description=f"Classes to list, 1 to C; {DEFAULT_TOP_K} if none is given.")]

_log = logging.getLogger("uvicorn.error")

_PICTURES: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [FIELD],
                    "properties": {FIELD: {"type": "array", "items": {"type": "string", "format": "binary"}}},
                }
            }
        }
        | {kind: {"schema": {"type": "string", "format": "binary"}} for kind in IMAGE_TYPES},
    }
}

_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorAnswer, "description": description}
    for status, description in {
        404: "Unknown model.",
        408: "The body did not arrive in time.",
        413: "Too many bytes or pixels.",
        415: "Not a picture of a type that is read.",
        422: "No picture, a damaged picture, or a parameter out of range.",
        429: "The queue is full; try again after `Retry-After` seconds.",
        503: "Shutting down.",
        504: "The deadline passed.",
    }.items()
}


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
        lifespan=lifespan,
    )
    app.add_middleware(Measure, metrics=service.metrics)
    app.add_exception_handler(ZooError, _zoo_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(ClientDisconnect, _client_gone)
    app.add_exception_handler(Exception, _unexpected_error)
    settings = service.settings

    async def ask(request: Request, model: ServedModel, draw: bool = False) -> Result:
        max_files = 1 if draw else settings.max_files
        with model.admission.admit(1):
            try:
                async with asyncio.timeout(settings.upload_seconds):
                    uploads = await read_uploads(request, settings.max_body_bytes, max_files)
            except TimeoutError:
                raise SlowUploadError(f"the body took longer than {settings.upload_seconds:g} s to arrive") from None
            with model.admission.admit(len(uploads) - 1):
                return await service.answer(model, uploads, keep_images=draw)

    @app.post("/classify", responses=_PROBLEMS, openapi_extra=_PICTURES)
    async def classify(request: Request, model: ModelName = None, top_k: TopK = None) -> ClassifyAnswer:
        """The most probable classes of each picture."""
        served = service.model(model)
        top_k = resolve_top_k(top_k, served.package.config.classes)
        return classify_answer(served, await ask(request, served), top_k)

    @app.post(
        "/patch-semantics",
        response_model=PatchSemanticsAnswer,
        responses=_PROBLEMS
        | {
            200: {
                "description": "JSON; the shares as an array [N, C + 1, h, w] of float32, `none` last; or the map "
                "drawn over one picture, as `Accept` says. The header `X-Boxes` has the box of each picture.",
                "content": {NPY: {}, PNG: {}},
            },
            406: {"model": ErrorAnswer, "description": "`Accept` names no format that is written."},
        },
        openapi_extra=_PICTURES,
    )
    async def patch_semantics(request: Request, model: ModelName = None, top_k: TopK = None) -> Response:
        """What each patch of each picture looks like."""
        served = service.model(model)
        top_k = resolve_top_k(top_k, served.package.config.classes)
        kind = negotiate(",".join(request.headers.getlist("accept")), (JSON, NPY, PNG))
        result = await ask(request, served, draw=kind == PNG)
        body = await run_in_threadpool(_write, kind, served, result, top_k)
        return Response(
            body, media_type=kind, headers={BOXES: json.dumps([picture.box for picture in result.pictures])}
        )

    @app.get("/models")
    def models() -> list[ModelDescription]:
        """The models that answer here, the default one first."""
        return [
            ModelDescription.describe(model, default=index == 0) for index, model in enumerate(service.models.values())
        ]

    @app.head("/healthz", include_in_schema=False)
    @app.get("/healthz", response_class=PlainTextResponse)
    async def healthz() -> str:
        """Whether the process lives."""
        return "ok\n"

    @app.head("/readyz", include_in_schema=False)
    @app.get("/readyz", response_class=PlainTextResponse)
    async def readyz() -> PlainTextResponse:
        """Whether requests are taken: 200, or 503 while the server shuts down."""
        return PlainTextResponse("ready\n") if service.ready else PlainTextResponse("not ready\n", 503)

    @app.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Counters for Prometheus."""
        return Response(generate_latest(service.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    @app.get("/", include_in_schema=False)
    async def root() -> RedirectResponse:
        return RedirectResponse("/docs")

    return app


def _write(kind: str, model: ServedModel, result: Result, top_k: int) -> bytes:
    if kind == JSON:
        return patch_semantics_answer(model, result, top_k).model_dump_json().encode()
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


def _problem(status: int, code: str, message: str, headers: Any = None) -> JSONResponse:
    return JSONResponse({"error": {"code": code, "message": message}}, status, headers=headers)


async def _zoo_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ZooError)
    return _problem(status_of(error), code_of(error), str(error), getattr(error, "headers", None))


async def _validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    problems = "; ".join(f"{e['loc'][-1]} = {e['input']!r}: {e['msg']}" for e in error.errors())
    return _problem(422, "input", problems)


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    message = str(error.detail)
    if error.status_code == 404:
        message = f"there is no {request.url.path}; see /docs"
    code = HTTPStatus(error.status_code).name.lower()
    return _problem(error.status_code, code, message, error.headers)


async def _client_gone(request: Request, error: Exception) -> Response:
    # Nobody reads it; the status, which nginx introduced, keeps these apart from the server's faults in the metrics.
    return Response(status_code=499)


async def _unexpected_error(request: Request, error: Exception) -> JSONResponse:
    return _problem(500, "internal", "the server failed to answer; its log says why")
