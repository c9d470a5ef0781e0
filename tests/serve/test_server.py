"""The process itself: started as a user starts it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

PROGRAM = Path(sys.executable).with_name("zoo")
ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def serving(*flags: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running `zoo serve` and its URL."""
    port = free_port()
    process = subprocess.Popen(
        [PROGRAM, "serve", "--port", str(port), "--threads", "1", *flags],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            try:
                if httpx2.get(f"{url}/readyz").status_code == 200:
                    break
            except httpx2.TransportError:
                time.sleep(0.1)
        yield process, url
    finally:
        process.kill()
        process.communicate()


def test_a_request_and_a_clean_end(photo_file: Path) -> None:
    with serving() as (process, url):
        answer = httpx2.post(f"{url}/classify", files={"file": photo_file.read_bytes()}).json()
        assert answer["results"][0]["classes"][0]["label"] == "cat"
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=30)
        assert process.returncode in (0, -signal.SIGTERM)
        assert "Application shutdown complete" in output
        assert "Traceback" not in output


def test_settings_come_from_the_environment(photo_file: Path) -> None:
    with serving(ZOO_MAX_PIXELS="1000") as (_, url):
        response = httpx2.post(f"{url}/classify", files={"file": photo_file.read_bytes()})
        assert response.status_code == 413
        assert "above the limit of 1000" in response.json()["error"]["message"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PROGRAM, "serve", *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_a_taken_port_is_an_error() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        result = run("--port", str(listener.getsockname()[1]))
    assert result.returncode == 1
    assert "cannot listen on 127.0.0.1" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.skipif(Path("/proc/driver/nvidia/version").exists(), reason="CUDA is here")
def test_cuda_that_is_not_there_is_an_error() -> None:
    result = run("--port", str(free_port()), "--device", "cuda")
    assert result.returncode == 1
    assert "CUDA was asked for, but" in result.stderr


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("wrn16-our", "did you mean wrn16-ours"),
        ("weights/wrn16-ours.cifar10", "write local-dir:weights/wrn16-ours.cifar10"),
        ("local-dir:tests", "is not a model directory"),
    ],
)
def test_a_model_that_is_not_there_is_an_error(reference: str, message: str) -> None:
    result = run("--port", str(free_port()), "--model", reference)
    assert result.returncode == 1
    assert message in result.stderr


def test_serving_loads_no_network_library() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from serve.server import create_app, Service, Settings\n"
        "create_app(Service.open(Settings()))\n"
        "assert not {'torchvision', 'onnx', 'datasets'} & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=60)
