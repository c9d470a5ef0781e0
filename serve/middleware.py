"""What every request passes before it reaches its route, in order."""

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from serve.admission import Admission
from serve.catch_all import CatchAll
from serve.guard import Guard
from serve.head import HeadAsGet
from serve.keys import Keys
from serve.limits import HeadLimit
from serve.metrics import Metrics
from serve.observe import Observe
from serve.openapi import declare_keys
from serve.prefix import Prefix
from serve.rate import RateLimit
from serve.settings import Settings
from serve.shared import Shared
from serve.turnstile import Turnstile


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
