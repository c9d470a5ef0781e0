"""Clean environments. Not part of `make test`, since installing takes minutes."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from release.environment import Environment
from release.readme import MODELS, SOURCE
from support.loopback_hub import Hub, loopback_hub

from zoo.hub.releases import ORGANIZATION


@pytest.fixture(scope="session")
def wheel() -> Path:
    """The wheel that was built last."""
    [file] = (SOURCE / "dist").glob("*.whl")
    return file


@pytest.fixture(scope="session")
def sdist() -> Path:
    [file] = (SOURCE / "dist").glob("*.tar.gz")
    return file


@pytest.fixture(scope="session")
def hub() -> Iterator[Hub]:
    """The only Hub that the environments know."""
    with loopback_hub() as running:
        yield running


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder outside the source tree, with the images named in the README."""
    folder = tmp_path_factory.mktemp("folder")
    (folder / "tests/data").mkdir(parents=True)
    for image in ("cat.jpg", "bird.png"):
        shutil.copy(SOURCE / "tests/data" / image, folder / "tests/data")
    return folder


@pytest.fixture(scope="session")
def releases(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """File that records the published models."""
    folder = tmp_path_factory.mktemp("publisher")
    publish = [
        sys.executable,
        "-m",
        "zoo",
        "publish",
        "--all",
        "--to",
        ORGANIZATION,
        "--pins",
        folder / "releases.json",
    ]
    login = hub.environment(folder / "home", hub.token(ORGANIZATION))
    subprocess.run(publish, cwd=SOURCE, env={**os.environ, **login, "ZOO_WEIGHTS": str(MODELS)}, check=True)
    return folder / "releases.json"


@pytest.fixture(scope="session")
def serving(
    tmp_path_factory: pytest.TempPathFactory, folder: Path, hub: Hub, wheel: Path, releases: Path
) -> Environment:
    """Environment for serving and clients, without PyTorch."""
    path = tmp_path_factory.mktemp("serving")
    made = Environment.make(path, folder, hub.environment(path / "cache"), wheel, "serve", "client")
    made.pin(releases)
    return made


@pytest.fixture(scope="session")
def training(
    tmp_path_factory: pytest.TempPathFactory, folder: Path, hub: Hub, wheel: Path, releases: Path
) -> Environment:
    """Environment for networks in Python, training, export and explanations."""
    path = tmp_path_factory.mktemp("training")
    made = Environment.make(path, folder, hub.environment(path / "cache"), wheel, "explain", "export", "serve")
    made.pin(releases)
    return made


@pytest.fixture(scope="session")
def url(serving: Environment) -> Iterator[str]:
    """URL of a server with default settings except the port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    server = subprocess.Popen(
        [serving.program("zoo"), "serve", "--port", str(port)], cwd=serving.folder, env=serving.variables
    )
    try:
        yield _ready(server, f"http://localhost:{port}")
    finally:
        server.terminate()
        assert server.wait(60) == 0


def _ready(server: subprocess.Popen[bytes], url: str) -> str:
    deadline = time.monotonic() + 60
    while server.poll() is None and time.monotonic() < deadline:
        try:
            with urlopen(f"{url}/readyz"):
                return url
        except URLError:
            time.sleep(0.1)
    raise AssertionError("the server is not ready")
