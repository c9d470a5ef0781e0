"""uvicorn as this server runs it."""

from functools import partial

import uvicorn
from starlette.types import ASGIApp

from serve.metrics import Metrics
from serve.process.protocol import BoundedProtocol
from serve.settings import Settings


def uvicorn_config(app: ASGIApp, settings: Settings, metrics: Metrics) -> uvicorn.Config:
    """The configuration for an application: bounds where uvicorn has none, and nothing that tells what serves."""
    return uvicorn.Config(
        app,
        http=partial(BoundedProtocol, metrics),  # type: ignore[arg-type]  # uvicorn only calls it
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        forwarded_allow_ips=list(settings.trusted_proxy),
        h11_max_incomplete_event_size=settings.max_head_bytes,
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=round(settings.drain_seconds),
    )
