"""The page at `/` in a real browser, asking a real server that has a network with the block and a plain one."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect, sync_playwright
from support.page import OURS, PLAIN, OpenPage

from serve.app import create_app
from serve.inference.service import Service
from serve.settings import Settings
from zoo.hub import open_model
from zoo.package import Package
from zoo.predictors import Predictor
from zoo.predictors.onnx import OnnxPredictor
from zoo.predictors.torch import TorchPredictor

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")


def predictor_of(package: Package) -> Predictor:
    """The plain network has no ONNX file."""
    if package.config.name == PLAIN:
        return TorchPredictor.open(package)
    return OnnxPredictor.open(package, "cpu", threads=1)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Of the server."""
    service = Service(Settings(threads=1), [open_model(OURS), open_model(PLAIN)], predictor_of)
    server = uvicorn.Server(uvicorn.Config(create_app(service), port=0, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    _, port = server.servers[0].sockets[0].getsockname()
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(20)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("needs a Chromium on PATH")
    expect.set_options(timeout=20_000)  # the reference takes seconds to be drawn on a busy machine
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser, url: str) -> Iterator[OpenPage]:
    """Open the page; at the end of the test, whatever left the server's origin or broke a rule is an error."""
    contexts, faults = [], []

    def note_request(request: Any) -> None:
        if not request.url.startswith((f"{url}/", "blob:", "data:")):
            faults.append(request.url)

    def note_message(message: Any) -> None:
        # Answers that are not 2xx are in the console too.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            faults.append(message.text)

    def open_(before: Callable[[Page], object] = lambda page: None, **options: Any) -> Page:
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("request", note_request)
        page.on("console", note_message)
        page.on("pageerror", lambda error: faults.append(str(error)))
        before(page)
        page.goto(url)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert faults == []


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    return open_page()
