"""A real server to which bad things happen while good requests come: none of these fails, and it ends well."""

import os
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import httpx2
import pytest
from PIL import Image
from support.load import Load
from support.onnx_files import break_network, copy_under_name
from support.process import PATIENCE, connect, half_a_request, head, rest_of, serving
from support.serving import encoded

from zoo.hub import open_model
from zoo.images.decode import decode
from zoo.package import ONNX_FILES, Package

pytestmark = pytest.mark.process

MODEL = "wrn16-ours"
IMAGE = encoded(Image.linear_gradient("L").resize((48, 48)))
BAD_CLIENTS = 10


class Running(NamedTuple):
    """A server, and what it was given."""

    process: subprocess.Popen[str]
    url: str
    log: Path
    others: list[Package]
    """Models beside the default one, not loaded yet."""

    def metric(self, name: str) -> float:
        """The value of a metric without labels."""
        [line] = [line for line in httpx2.get(f"{self.url}/metrics").text.splitlines() if line.startswith(f"{name} ")]
        return float(line.split()[1])

    def ask(self, model: str | None = None, image: bytes = IMAGE, request_id: str = "") -> httpx2.Response:
        headers = {"Content-Type": "image/png", "X-Request-Id": request_id}
        params = {"model": model} if model else {}
        return httpx2.post(f"{self.url}/classify", params=params, content=image, headers=headers)

    def read_log(self) -> str:
        """All that was logged so far."""
        mark = uuid4().hex
        assert self.ask(request_id=mark).status_code == 200
        await_(lambda: mark in self.log.read_text())
        return self.log.read_text()

    def check_log(self) -> None:
        """What clients do is no error of the server."""
        text = self.read_log()
        assert "Traceback" not in text
        assert " ERROR " not in text
        assert " WARNING " not in text


def await_(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server that is impatient with its clients, and loads models when they are first asked for."""
    folder = tmp_path_factory.mktemp("faults")
    others = [copy_under_name(open_model(MODEL), folder / name, name) for name in ("a", "b", "c")]
    flags = ["--model", MODEL, "--load", "use", "--header-seconds", "1", "--upload-seconds", "1"]
    for package in others:
        flags += ["--model", f"local-dir:{package.path}"]
    log = folder / "log"
    with log.open("w") as output, serving(*flags, output=output) as (process, url):
        yield Running(process, url, log, others)


def leave_in_the_head(url: str) -> None:
    connect(url, head(1000)[:40]).close()


def leave_in_the_body(url: str) -> None:
    half_a_request(url).close()


def reset_in_the_body(url: str) -> None:
    with half_a_request(url) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def leave_before_the_answer(url: str) -> None:
    connect(url, head(len(IMAGE)) + IMAGE).close()


@pytest.mark.parametrize("leave", [leave_in_the_head, leave_in_the_body, reset_in_the_body, leave_before_the_answer])
def test_clients_that_leave(server: Running, leave: Callable[[str], None]) -> None:
    with Load(server.url, IMAGE) as load:
        for _ in range(BAD_CLIENTS):
            leave(server.url)
        load.wait()
    assert set(load.outcomes) == {200}
    await_(lambda: server.metric("zoo_in_flight_images") == server.metric("zoo_in_flight_bytes") == 0)
    server.check_log()


def test_an_odd_image_is_not_told_to_the_log(server: Running) -> None:
    exif = Image.Exif()
    exif[0x010E] = "words"
    count = b"\x01\x0e\x00\x02\x00\x00"
    odd = encoded(Image.new("L", (48, 48)), "JPEG", exif=exif).replace(count, count[:-1] + b"\x70")
    with pytest.warns(UserWarning, match="larger than file"):
        decode(odd)
    assert server.ask(image=odd).status_code == 200
    server.check_log()


def send_byte_by_byte(connection: socket.socket) -> str:
    """What a server answers to one that goes on and on, until it closes the connection."""
    received = b""
    connection.settimeout(0.1)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            data = connection.recv(4096)
        except TimeoutError:
            with suppress(ConnectionError):
                connection.send(b"x")
        except ConnectionError:
            break
        else:
            received += data
            if not data:
                break
    else:
        pytest.fail("the connection stays open")
    return received.decode()


@pytest.mark.parametrize(
    ("begin", "answer"), [(head(1000)[:40], ""), (head(1000), "HTTP/1.1 408")], ids=["head", "body"]
)
def test_clients_that_send_byte_by_byte(server: Running, begin: bytes, answer: str) -> None:
    with Load(server.url, IMAGE) as load, ThreadPoolExecutor(BAD_CLIENTS) as pool, ExitStack() as stack:
        slow = [stack.enter_context(connect(server.url, begin)) for _ in range(BAD_CLIENTS)]
        for received in pool.map(send_byte_by_byte, slow):
            assert received[: len(answer)] == answer
            assert bool(received) == bool(answer)
        load.wait()
    assert set(load.outcomes) == {200}
    server.check_log()


def delete(file: Path) -> None:
    file.unlink()


def overwrite(file: Path) -> None:
    file.write_bytes(b"no longer a network" * 1000)


def truncate(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


@pytest.mark.parametrize(("index", "damage"), list(enumerate((delete, overwrite, truncate))))
def test_a_model_file_that_is_gone_or_damaged(server: Running, index: int, damage: Callable[[Path], None]) -> None:
    package = server.others[index]
    name, file = package.config.name, package.path / ONNX_FILES["fp32"]
    sound = file.read_bytes()
    with Load(server.url, IMAGE) as load:
        damage(file)
        for _ in range(2):
            response = server.ask(name)
            assert response.status_code == 503
            error = response.json()["error"]
            assert error["code"] == "model_unavailable"
            assert name in error["message"]
            assert str(package.path) not in error["message"]
            assert int(response.headers["retry-after"]) > 0
        assert f"{name} cannot be loaded: " in server.read_log()
        file.write_bytes(sound)
        answer = server.ask(name)
        assert answer.status_code == 200
        # It is in memory now.
        damage(file)
        again = server.ask(name)
        assert again.json()["results"] == answer.json()["results"]
        load.wait()
    assert set(load.outcomes) == {200}
    assert httpx2.get(f"{server.url}/models").status_code == 200
    assert "Traceback" not in server.read_log()


def test_a_network_that_cannot_be_computed(tmp_path: Path) -> None:
    package, log = copy_under_name(open_model(MODEL), tmp_path / "a", "a"), tmp_path / "log"
    file = package.path / ONNX_FILES["fp32"]
    sound = file.read_bytes()
    break_network(package)
    flags = ("--model", MODEL, "--load", "use", "--model", f"local-dir:{package.path}")
    with log.open("w") as output, serving(*flags, output=output) as (process, url):
        server = Running(process, url, log, [package])
        with Load(url, IMAGE) as load:
            for _ in range(2):
                response = server.ask(package.config.name)
                assert response.status_code == 503
                assert response.json()["error"]["code"] == "model_unavailable"
            file.write_bytes(sound)
            assert server.ask(package.config.name).status_code == 200
            load.wait()
        assert set(load.outcomes) == {200}
        text = server.read_log()
    assert text.count(f"{package.config.name} cannot be loaded: ") == text.count("Traceback") == 2


def test_told_to_stop_it_gives_notice(tmp_path: Path) -> None:
    log = tmp_path / "log"
    flags = ("--model", MODEL, "--notice-seconds", "2")
    with log.open("w") as output, serving(*flags, output=output) as (process, url):
        with Load(url, IMAGE) as load:
            process.send_signal(signal.SIGTERM)
            await_(lambda: httpx2.get(f"{url}/readyz").status_code == 503)
            # Whoever has not heard of it yet is answered still.
            load.wait()
            assert httpx2.get(f"{url}/healthz").status_code == 200
        assert set(load.outcomes) == {200}
        assert process.wait(PATIENCE) == 0
    assert "Traceback" not in log.read_text()


@pytest.mark.slow
def test_told_to_stop_it_answers_what_it_has_accepted(tmp_path: Path) -> None:
    large, count = encoded(Image.new("RGB", (4000, 3000))), 12
    log = tmp_path / "log"
    flags = ("--model", MODEL, "--decode-threads", "1", "--drain-seconds", "60", "--deadline-ms", "60000")
    with log.open("w") as output, serving(*flags, output=output) as (process, url), ThreadPoolExecutor(1) as pool:
        server = Running(process, url, log, [])
        with connect(url, head(len(IMAGE))) as late:
            accepted = pool.submit(httpx2.post, f"{url}/classify", files=[("file", large)] * count, timeout=60)
            await_(lambda: server.metric("zoo_in_flight_images") >= count)
            process.send_signal(signal.SIGTERM)
            await_(lambda: refused(url))
            assert not accepted.done()
            # An upload that had begun has its time too.
            late.sendall(IMAGE)
            answer = rest_of(late)
            assert answer.startswith("HTTP/1.1 200")
            assert "\r\nconnection: close\r\n" in answer
        assert accepted.result().status_code == 200
        assert process.wait(PATIENCE) == 0
    assert "Traceback" not in log.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
@pytest.mark.parametrize("processes", ["1", "2"])
def test_an_upload_that_arrives_has_the_time_of_draining(sig: signal.Signals, processes: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    flags = ("--model", MODEL, "--processes", processes, "--drain-seconds", "20")
    with log.open("w") as output, serving(*flags, output=output) as (process, url):
        with connect(url, head(len(IMAGE)) + IMAGE[:100]) as late:
            await_(lambda: httpx2.get(f"{url}/readyz").status_code == 200)
            process.send_signal(sig)
            await_(lambda: refused(url))
            for start in range(100, len(IMAGE), 1000):
                late.sendall(IMAGE[start : start + 1000])
            assert rest_of(late).startswith("HTTP/1.1 200")
        assert process.wait(PATIENCE) == 0
    assert "Traceback" not in log.read_text()


def refused(url: str) -> bool:
    """Whether no new connection is taken."""
    try:
        httpx2.get(f"{url}/healthz")
    except httpx2.TransportError:
        return True
    return False


def test_an_upload_that_stops_does_not_hold_up_the_end(tmp_path: Path) -> None:
    log = tmp_path / "log"
    flags = ("--model", MODEL, "--drain-seconds", "1")
    with log.open("w") as output, serving(*flags, output=output) as (process, url), half_a_request(url):
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    assert "Traceback" not in log.read_text()


@pytest.mark.slow
def test_a_full_disk_behind_the_log() -> None:
    with open("/dev/full", "w") as full, serving("--model", MODEL, output=full) as (process, url):
        with Load(url, IMAGE) as load:
            load.wait(50)
            assert httpx2.post(f"{url}/classify", files={"file": b"text"}).status_code == 415
            half_a_request(url).close()
            load.wait(50)
        assert set(load.outcomes) == {200}
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
