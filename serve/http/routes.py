"""The server's own endpoints."""

import inspect
import json
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any, get_type_hints

from fastapi import FastAPI, Query, Request
from fastapi.encoders import jsonable_encoder
from fastapi.responses import PlainTextResponse, Response
from fastapi.routing import APIRoute
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from serve.errors import NoIndexError
from serve.http import examples
from serve.http.answers import (
    classify_answer,
    embed_answer,
    model_description,
    occlusion_answer,
    patch_semantics_answer,
    search_answer,
)
from serve.http.body import read_uploads
from serve.http.openapi import JSON, Responses, declare_query_values, example, images_request, problems
from serve.http.request import (
    ImageQuery,
    ModelQuery,
    OcclusionQuery,
    SearchQuery,
    WhileConnected,
    client_deadline,
    deadline_of,
    negotiate,
    read_query,
)
from serve.inference.models import ServedModel
from serve.inference.occlusion import images_at_once, occlude
from serve.inference.service import Result, Service
from serve.schemas import (
    ClassifyAnswer,
    EmbedAnswer,
    ModelDescription,
    OcclusionAnswer,
    PatchSemanticsAnswer,
    SearchAnswer,
)
from zoo.answers import class_index, patch_shares, resolve_top_k
from zoo.errors import InputError
from zoo.files import array_bytes, png_bytes
from zoo.predictors.embedding import embedding_of, require_embedding
from zoo.search.hits import check_count, check_threshold, find_hits
from zoo.search.nearest import unit
from zoo.semantic_map import draw_semantic_map

NPY, PNG = "application/x-npy", "image/png"
BOXES_HEADER = "X-Boxes"
"""Response header, whatever the format: the box of each image, as in JSON responses."""

_BOXES = {BOXES_HEADER: {"description": "Box of each image, as in JSON responses.", "schema": {"type": "string"}}}

_PATCH_ANSWERS: Responses = {
    200: {
        "description": "Depending on `Accept`: JSON; a float32 array [N, C + 1, h, w] of shares, `none` last; or the "
        "semantic map drawn over a single image.",
        "content": {JSON: {"example": jsonable_encoder(examples.PATCH_SEMANTICS)}, NPY: {}, PNG: {}},
        "headers": _BOXES,
    }
}

_EMBED_ANSWERS: Responses = {
    200: {
        "description": "Depending on `Accept`: JSON, or a float32 array [N, D].",
        "content": {JSON: {"example": jsonable_encoder(examples.EMBED)}, NPY: {}},
        "headers": _BOXES,
    }
}


class LeanRoute(APIRoute):
    """Route that FastAPI documents but does not run: the endpoint is called with the request and the parsed query.

    FastAPI's own parameter and dependency handling takes a quarter of the total time of a request with a small image.

    Raises:
        TypeError: the endpoint declares other parameters, which would be documented but never read.
    """

    query_model: type[BaseModel]
    """Pydantic model of the query parameters."""

    def __init__(self, path: str, endpoint: Callable[..., Awaitable[Response]], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        declared = [*inspect.signature(endpoint).parameters]
        if declared != ["request", "query"]:
            raise TypeError(
                f"{path}: the parameters of a LeanRoute endpoint must be (request, query), not ({', '.join(declared)})"
            )
        query_model = self.query_model = get_type_hints(endpoint)["query"]

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            query = read_query(scope["query_string"], query_model)
            response = await endpoint(Request(scope, receive, send), query)
            await response(scope, receive, send)

        self.app = app


def add_routes(app: FastAPI, service: Service) -> None:
    """Add the endpoints of a service to an application."""
    settings = service.settings
    max_classes = max(len(model.package.config.classes) for model in service.models.values())
    declare_query_values(
        app, {"model": {"enum": service.models.names}, "top_k": {"minimum": 1, "maximum": max_classes}}
    )

    async def compute(
        request: Request, model: ServedModel, query: type[ModelQuery] = ImageQuery, draw: bool = False
    ) -> Result:
        client_end, max_files = client_deadline(request), 1 if draw else settings.max_files
        with service.enter() as reservation:
            uploads = await read_uploads(request, reservation, settings, max_files, query)
            reservation.add(items=len(uploads))
            async with WhileConnected(request):
                return await service.answer(model, uploads, deadline_of(client_end, settings), keep_images=draw)

    async def classify(request: Request, query: Annotated[ImageQuery, Query()]) -> Response:
        """Classify images: the most probable classes of each."""
        served = service.model(query.model)
        top_k = resolve_top_k(query.top_k, served.package.config.classes)
        return Response(classify_answer(served, await compute(request, served), top_k), media_type=JSON)

    async def patch_semantics(request: Request, query: Annotated[ImageQuery, Query()]) -> Response:
        """Classify the patches of images: the classes that each patch looks like."""
        served = service.model(query.model)
        top_k = resolve_top_k(query.top_k, served.package.config.classes)
        kind = _negotiated(request, JSON, NPY, PNG)
        result = await compute(request, served, draw=kind == PNG)
        body = await run_in_threadpool(_encode, kind, served, result, top_k)
        return Response(body, media_type=kind, headers=_boxes(result))

    async def embed(request: Request, query: Annotated[ModelQuery, Query()]) -> Response:
        """Embed images: the features that the model's classifier sees, to search or cluster by.

        422 for a model whose ONNX file was exported by an earlier version, without this output.
        """
        served = service.model(query.model)
        kind = _negotiated(request, JSON, NPY)
        if served.declared:  # refuse it before its images are read and computed
            require_embedding(served.declared.outputs, served.name)
        result = await compute(request, served, ModelQuery)
        embeddings = embedding_of(result.prediction, served.name)
        body = array_bytes(embeddings) if kind == NPY else embed_answer(served, result, embeddings)
        return Response(body, media_type=kind, headers=_boxes(result))

    async def search(request: Request, query: Annotated[SearchQuery, Query()]) -> Response:
        """Find the images of the server's index that are most like others, by the cosine of their embeddings.

        404 if the server was started without an index.
        """
        if service.index is None:
            raise NoIndexError(
                "this server has no index to search; start it with --index FOLDER, which `zoo index` makes"
            )
        index, served = service.index.images, service.model(query.model or service.index.model)
        if served.name != service.index.model:
            raise InputError(f"model = {query.model}: the index of this server is of {service.index.model}; omit it")
        count, threshold = check_count(query.k, len(index), "k"), check_threshold(query.threshold, "threshold")
        result = await compute(request, served, SearchQuery)
        started = time.perf_counter()
        queries = unit(embedding_of(result.prediction, served.name), "the embedding of image")
        hits = await run_in_threadpool(find_hits, index, queries, count, threshold)
        service.metrics.search.labels(served.name).observe(time.perf_counter() - started)
        return Response(search_answer(served, result, index, hits, query.thumbnails), media_type=JSON)

    async def occlusion(request: Request, query: Annotated[OcclusionQuery, Query()]) -> Response:
        """Explain the classification of an image: how far the logit of a class falls when each part of it is covered.

        The parts are the patches, or an 8 x 8 grid if there are more.
        """
        served = service.model(query.model)
        label = None if query.label is None else class_index(query.label, served.package.config.classes)
        client_end = client_deadline(request)
        with service.enter() as reservation:
            [upload] = await read_uploads(request, reservation, settings, 1, OcclusionQuery)
            reservation.add(items=images_at_once(service))
            async with WhileConnected(request):
                found = await occlude(service, served, upload, label, deadline_of(client_end, settings))
        return Response(occlusion_answer(served, found), media_type=JSON)

    add_image_route = partial(app.router.add_api_route, methods=["POST"], route_class_override=LeanRoute)
    add_image_route(
        "/classify",
        classify,
        response_model=ClassifyAnswer,
        responses=example(examples.CLASSIFY) | problems(401, 404, 408, 413, 415, 422, 429, 503, 504),
        openapi_extra=images_request(settings.max_files),
    )
    add_image_route(
        "/patch-semantics",
        patch_semantics,
        response_model=PatchSemanticsAnswer,
        responses=_PATCH_ANSWERS | problems(401, 404, 406, 408, 413, 415, 422, 429, 503, 504),
        openapi_extra=images_request(settings.max_files),
    )
    add_image_route(
        "/embed",
        embed,
        response_model=EmbedAnswer,
        responses=_EMBED_ANSWERS | problems(401, 404, 406, 408, 413, 415, 422, 429, 503, 504),
        openapi_extra=images_request(settings.max_files),
    )
    add_image_route(
        "/search",
        search,
        response_model=SearchAnswer,
        responses=example(examples.SEARCH) | problems(401, 404, 408, 413, 415, 422, 429, 503, 504),
        openapi_extra=images_request(settings.max_files),
    )
    add_image_route(
        "/occlusion",
        occlusion,
        response_model=OcclusionAnswer,
        responses=example(examples.OCCLUSION) | problems(401, 404, 408, 413, 415, 422, 429, 503, 504),
        openapi_extra=images_request(1),
    )

    @app.get("/models", responses=example([examples.MODEL]) | problems(401, 422, 429))
    def models() -> list[ModelDescription]:
        """List the served models, the default one first."""
        own = service.index
        return [
            model_description(model, number == 0, len(own.images) if own and own.model == model.name else None)
            for number, model in enumerate(service.models.values())
        ]

    @app.get("/healthz", response_class=PlainTextResponse, responses=example("ok\n"))
    async def healthz() -> str:
        """Liveness probe: 200 while the process is running."""
        return "ok\n"

    @app.get(
        "/readyz",
        response_class=PlainTextResponse,
        responses=example("ready\n") | example("not ready\n", 503, "Shutting down."),
    )
    async def readyz() -> PlainTextResponse:
        """Readiness probe: 200 if the server accepts requests, 503 while it is shutting down."""
        return PlainTextResponse("ready\n") if service.ready else PlainTextResponse("not ready\n", 503)

    @app.get(
        "/metrics", response_class=PlainTextResponse, responses=example(examples.METRICS) | problems(401, 422, 429)
    )
    def metrics() -> Response:
        """Metrics in the Prometheus text format."""
        return Response(service.metrics.exposition(), media_type=CONTENT_TYPE_LATEST)


def _negotiated(request: Request, *offers: str) -> str:
    return negotiate(",".join(request.headers.getlist("accept")), offers)


def _boxes(result: Result) -> dict[str, str]:
    return {BOXES_HEADER: json.dumps([decoded.box for decoded in result.images])}


def _encode(kind: str, model: ServedModel, result: Result, top_k: int) -> bytes:
    if kind == JSON:
        return patch_semantics_answer(model, result, top_k)
    shares = patch_shares(result.prediction)
    if kind == NPY:
        return array_bytes(shares)
    decoded = result.images[0]
    assert decoded.image is not None
    return png_bytes(draw_semantic_map(decoded.image, shares[0], decoded.box, model.package.config.classes, model.name))
