"""The layers that every request passes before it reaches its route, in order."""

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from serve.http.auth import ApiKeys, RateLimiter
from serve.http.middleware.auth import AuthMiddleware
from serve.http.middleware.errors import ErrorMiddleware
from serve.http.middleware.head import HeadMiddleware
from serve.http.middleware.header_limit import HeaderLimitMiddleware
from serve.http.middleware.overload import OverloadMiddleware
from serve.http.middleware.prefix import PrefixMiddleware
from serve.http.middleware.request_log import RequestLogMiddleware
from serve.http.openapi import declare_keys
from serve.inference.admission import Admission
from serve.metrics import Metrics
from serve.settings import Settings
from serve.shared import Shared


def add_middleware(app: FastAPI, settings: Settings, metrics: Metrics, admission: Admission, shared: Shared) -> None:
    """Add all layers, from the outermost: proxy prefix, request id and log, HEAD as GET, CORS, errors, header limits,
    overload, keys and rates. Where keys are needed, the OpenAPI document says so.

    Raises:
        InputError: the API keys cannot be read.
    """
    # The last one added is the first one passed.
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
