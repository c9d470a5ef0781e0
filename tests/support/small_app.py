"""An application with the server's middleware and protocol, but without models."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI, Request
from starlette.testclient import TestClient

from serve.app import add_middleware
from serve.inference.admission import Admission
from serve.logs import current
from serve.metrics import Metrics
from serve.process.http1 import ConnectionSweeper
from serve.process.server import uvicorn_config
from serve.settings import Settings
from serve.shared import Shared


def small_app(metrics: Metrics | None = None, admission: Admission | None = None, **settings: object) -> FastAPI:
    """`POST /count` answers with the bytes of its body, `GET /fail` fails, `GET /healthz` answers."""
    app = FastAPI()

    @app.post("/count")
    async def count(request: Request) -> int:
        current().model = "counter"
        return len(await request.body())

    @app.get("/fail")
    async def fail() -> None:
        raise RuntimeError("/secret/path")

    @app.get("/healthz")
    async def healthz() -> str:
        return "ok"

    shared = Shared.create()
    admission = admission or Admission(10, 10**6, shared)
    add_middleware(app, Settings(**settings), metrics or Metrics(shared), admission, shared)
    return app


def small_client(metrics: Metrics | None = None, **settings: object) -> TestClient:
    return TestClient(small_app(metrics, **settings))


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, sweeper: ConnectionSweeper) -> None:
        super().__init__(config)
        self._sweeper = sweeper

    async def on_tick(self, counter: int) -> bool:
        self._sweeper.sweep(self.server_state.connections, time.monotonic())
        return await super().on_tick(counter)


@contextmanager
def small_server(metrics: Metrics | None = None, app: FastAPI | None = None, **settings: object) -> Iterator[int]:
    """A real server of such an application or another, which looks at its connections ten times a second: its port."""
    chosen, metrics = Settings(**settings), metrics or Metrics(Shared.create())
    config = uvicorn_config(app or small_app(metrics, **settings), chosen, metrics)
    config.port = 0
    server = _Server(
        config, ConnectionSweeper(chosen.header_seconds, chosen.keep_alive_seconds, chosen.max_connections)
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(20)
