"""The ASGI application: middleware, endpoints, pages and error handlers."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from importlib.metadata import version

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect

from serve.http.auth import ApiKeys, AuthMiddleware, RateLimiter
from serve.http.middleware import (
    ErrorMiddleware,
    HeaderLimitMiddleware,
    HeadMiddleware,
    OverloadMiddleware,
    PrefixMiddleware,
    RequestLogMiddleware,
    redirect_without_slash,
)
from serve.http.openapi import declare_keys, problems
from serve.http.pages import add_docs, add_page
from serve.http.problems import problem, problem_of
from serve.http.request import refuse_query
from serve.http.routes import add_routes
from serve.inference.admission import Admission
from serve.inference.service import Service
from serve.metrics import Metrics
from serve.open_inference.routes import router as open_inference
from serve.settings import Settings
from serve.shared import Shared
from zoo.errors import ZooError

_log = logging.getLogger(__name__)


def create_app(service: Service) -> FastAPI:
    """Create the application of a service, which it closes on shutdown."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        if not await run_in_threadpool(service.close):
            _log.warning("dropped requests that did not finish within %s s", service.settings.drain_seconds)

    app = FastAPI(
        title="template-zoo",
        summary="Image classification that shows what each patch of an image looks like.",
        version=version("template-zoo"),
        lifespan=lifespan,
        responses=problems(414, 431),
        # Relative to the document itself, so that it also holds behind a proxy.
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
    app.add_exception_handler(ClientDisconnect, _client_disconnected)
    add_routes(app, service)
    app.include_router(open_inference(service))
    add_docs(app)
    add_page(app)
    return app


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
        message = f"unknown path {request.url.path}; see /docs"
    elif error.status_code == 405:
        # Static files of older Starlette versions list no methods; they allow GET.
        methods = set((headers or {}).get("Allow", "GET").split(", "))
        allowed = ", ".join(sorted(methods | {"HEAD"} if "GET" in methods else methods))
        headers = {"Allow": allowed}
        message = f"{request.url.path} does not allow {request.method}; use {allowed}"
    code = HTTPStatus(error.status_code).name.lower()
    return problem(error.status_code, code, message, headers)


async def _client_disconnected(request: Request, error: Exception) -> Response:
    # Nobody reads it; nginx's 499 separates these requests from server errors in the metrics.
    return Response(status_code=499)


def add_middleware(app: FastAPI, settings: Settings, metrics: Metrics, admission: Admission, shared: Shared) -> None:
    """Add all middleware; from the outermost: proxy prefix, request id and log, HEAD as GET, CORS, errors, header
    limits, overload, API keys and rate limits. If API keys are required, they are declared in the OpenAPI document.

    Raises:
        InputError: the API keys cannot be read.
    """
    # The middleware that is added last is outermost.
    keys = ApiKeys(settings.api_keys, settings.api_keys_file)
    rate = RateLimiter(settings.rate_limit, settings.rate_burst, shared.buckets) if settings.rate_limit else None
    if keys or rate:
        app.add_middleware(AuthMiddleware, keys=keys, rate=rate)
    if keys:
        declare_keys(app)
    app.add_middleware(OverloadMiddleware, admission=admission)
    app.add_middleware(HeaderLimitMiddleware, max_bytes=settings.max_head_bytes)
    app.add_middleware(ErrorMiddleware)
    if settings.cors_origin:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origin,
            allow_methods=("GET", "HEAD", "POST"),
            allow_headers=("*",),
            expose_headers=("X-Request-Id", "X-Boxes", "Retry-After"),
        )
    app.add_middleware(HeadMiddleware)
    app.add_middleware(RequestLogMiddleware, metrics=metrics)
    if settings.root_path:
        app.add_middleware(PrefixMiddleware, prefix=settings.root_path)
