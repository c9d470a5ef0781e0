"""What every request passes before it reaches its route, in order."""

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from serve.http.middleware.auth import Guard
from serve.http.middleware.errors import CatchAll
from serve.http.middleware.head import HeadAsGet
from serve.http.middleware.header_limit import HeadLimit
from serve.http.middleware.keys import Keys
from serve.http.middleware.overload import Turnstile
from serve.http.middleware.prefix import Prefix
from serve.http.middleware.rate import RateLimit
from serve.http.middleware.request_log import Observe
from serve.http.openapi import declare_keys
from serve.inference.admission import Admission
from serve.metrics import Metrics
from serve.settings import Settings
from serve.shared import Shared


def add_middleware(app: FastAPI, settings: Settings, metrics: Metrics, admission: Admission, shared: Shared) -> None:
    """Add all of it: a proxy's prefix, the request's id and its report, HEAD as GET, CORS, what answers for errors,
    the limits of its head, room for it, keys and rates. Where keys are needed, the application's description says so.

    Raises:
        InputError: the API keys cannot be read.
    """
    # The last one added is the first one passed.
    keys = Keys(settings.api_keys, settings.api_keys_file)
    rate = RateLimit(settings.rate_limit, settings.rate_burst, shared.asked) if settings.rate_limit else None
    if keys or rate:
        app.add_middleware(Guard, keys=keys, rate=rate)
    if keys:
        declare_keys(app)
    app.add_middleware(Turnstile, admission=admission)
    app.add_middleware(HeadLimit, max_bytes=settings.max_head_bytes)
    app.add_middleware(CatchAll)
    if settings.cors_origin:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origin,
            allow_methods=("GET", "HEAD", "POST"),
            allow_headers=("*",),
            expose_headers=("X-Request-Id", "X-Boxes", "Retry-After"),
        )
    app.add_middleware(HeadAsGet)
    app.add_middleware(Observe, metrics=metrics)
    if settings.root_path:
        app.add_middleware(Prefix, prefix=settings.root_path)
