"""Several processes that are one server."""

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import httpx2
import pytest
from PIL import Image
from support.load import Load
from support.onnx_files import copy_under_name
from support.process import PATIENCE, PROGRAM, connect, free_port, serving
from support.serving import encoded

from serve.process.sockets import CAN_SHARE_ADDRESS, AddressError, listening
from serve.process.supervisor import (
    MAX_PROCESSES,
    SHUTDOWN_GRACE_SECONDS,
    _default_count,
    _settings_of_one,
    _Supervisor,
    _Worker,
)
from serve.settings import Settings
from zoo.hub import open_model
from zoo.machine import cores
from zoo.package import ONNX_FILES

pytestmark = [
    pytest.mark.skipif(not CAN_SHARE_ADDRESS, reason="several sockets cannot have one address here"),
    pytest.mark.process,
]

MODEL = "wrn16-ours"
IMAGE = encoded(Image.linear_gradient("L").resize((48, 48)))


class Running(NamedTuple):
    pid: int
    url: str
    log: Path

    def ask(self, client: httpx2.Client | None = None, **headers: str) -> httpx2.Response:
        post = client.post if client else httpx2.post
        return post(f"{self.url}/classify", content=IMAGE, headers={"Content-Type": "image/png"} | headers)

    def metric(self, name: str) -> float:
        lines = httpx2.get(f"{self.url}/metrics").text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(name))

    @property
    def children(self) -> list[int]:
        """The processes that answer, as the system knows them."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                command = (folder / "cmdline").read_text()
            except OSError:
                continue
            if parent == self.pid and "spawn_main" in command:
                found.append(int(folder.name))
        return found


@pytest.fixture
def server(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Running]:
    """A server of two processes; a parameter is more of its flags."""
    log = tmp_path / "log"
    flags = ("--model", MODEL, "--processes", "2", *getattr(request, "param", ()))
    with log.open("w") as output, serving(*flags, output=output) as (process, url):
        await_text(log, "serving at")
        yield Running(process.pid, url, log)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
        assert "Traceback" not in log.read_text()


def await_(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def await_text(log: Path, text: str, times: int = 1) -> None:
    await_(lambda: log.read_text().count(text) >= times)


@pytest.mark.slow
def test_all_of_them_answer_and_are_counted_together(server: Running) -> None:
    assert f"serving at {server.url} with 2 processes" in server.log.read_text()
    assert server.log.read_text().count("ONNX Runtime on the CPU") == 1
    before = server.metric("process_cpu_seconds_total")
    with ExitStack() as stack:
        clients = [stack.enter_context(httpx2.Client()) for _ in range(24)]
        answers = [server.ask(client) for client in clients for _ in range(2)]
        assert {answer.status_code for answer in answers} == {200}
        assert len({str(answer.json()["results"]) for answer in answers}) == 1
        assert server.metric('zoo_requests_total{code="200",model="wrn16') == len(answers)
        await_(lambda: server.metric("zoo_connections ") >= len(clients))
    assert server.metric("zoo_model_loaded") == 2
    assert server.metric("zoo_batch_images_sum") == len(answers)
    assert server.metric("process_cpu_seconds_total") > before > 0


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="this system has no /proc")
def test_one_that_dies_is_replaced(server: Running) -> None:
    before = server.children
    assert len(before) == 2
    with ExitStack() as stack:
        connections = [stack.enter_context(connect(server.url)) for _ in range(24)]
        server.ask()
        await_(lambda: server.metric("zoo_connections ") >= len(connections))
        os.kill(before[0], signal.SIGKILL)
        await_text(server.log, f"process {before[0]} ended: SIGKILL; restarting")
        ended, _, _ = select.select(connections, [], [], 0)
        # The system had spread them; the other process has noticed nothing.
        assert 0 < len(ended) < len(connections)
    await_(lambda: len(server.children) == 2 and server.metric("zoo_model_loaded") == 2)
    assert before[1] in server.children
    assert {server.ask().status_code for _ in range(20)} == {200}


@pytest.mark.slow
@pytest.mark.parametrize("server", [("--max-queue", "1", "--max-files", "1")], indirect=True)
def test_the_room_is_shared(server: Running) -> None:
    with ThreadPoolExecutor(16) as pool:
        statuses = {answer.status_code for answer in pool.map(lambda _: server.ask(), range(200))}
    assert statuses == {200, 429}
    await_(lambda: server.metric("zoo_in_flight_images") == 0)


@pytest.mark.slow
@pytest.mark.parametrize("server", [("--rate-limit", "0.001", "--rate-burst", "5")], indirect=True)
def test_a_rate_is_that_of_all(server: Running) -> None:
    statuses = [server.ask().status_code for _ in range(20)]
    assert statuses == [200] * 5 + [429] * 15


@pytest.mark.slow
@pytest.mark.parametrize("server", [("--notice-seconds", "1.5")], indirect=True)
def test_told_to_stop_all_give_notice(server: Running) -> None:
    with Load(server.url, IMAGE, clients=6) as load:
        load.wait()
        os.kill(server.pid, signal.SIGTERM)
        deadline = time.monotonic() + 1.4
        while httpx2.get(f"{server.url}/readyz").status_code != 503:
            assert time.monotonic() < deadline
        load.wait()
    assert set(load.outcomes) == {200}


@pytest.mark.slow
def test_if_one_cannot_begin_none_does(tmp_path: Path) -> None:
    package = copy_under_name(open_model(MODEL), tmp_path / "a", "a")
    (package.path / ONNX_FILES["fp32"]).write_bytes(b"no network")
    with serving("--processes", "2", "--model", f"local-dir:{package.path}") as (process, _):
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert output.count("ONNX Runtime cannot open") == 1
    assert "Traceback" not in output


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_it_can_be_stopped_before_it_answers(sig: signal.Signals, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("w") as output:
        command = [PROGRAM, "serve", "--port", "0", "--processes", "2", "--model", MODEL]
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        while not Running(process.pid, "", log).children:
            time.sleep(0.01)
        process.send_signal(sig)
        assert process.wait(PATIENCE) == 0
    assert "Traceback" not in log.read_text()
    assert "serving at" not in log.read_text()


def test_a_signal_while_a_process_is_being_started_ends_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening("127.0.0.1", 0, 2) as listeners:
        supervisor = _Supervisor(Settings(model=(MODEL,)), [open_model(MODEL)], listeners, started=lambda: None)
        start = supervisor._start

        def interrupted(index: int) -> _Worker:
            signal.raise_signal(signal.SIGTERM)
            return start(index)

        monkeypatch.setattr(supervisor, "_start", interrupted)
        began = time.monotonic()
        supervisor.run()
        assert time.monotonic() - began < SHUTDOWN_GRACE_SECONDS
        assert not supervisor._workers


def test_if_the_first_process_is_killed_the_others_end(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("w") as output, serving("--model", MODEL, "--processes", "2", output=output) as (process, url):
        await_text(log, "serving at")
        process.kill()
        await_text(log, "the parent process has exited", times=2)
        await_(lambda: not answers(url))


def test_one_process_alone_outlives_the_shell_that_started_it(tmp_path: Path) -> None:
    log, port = tmp_path / "log", free_port()
    command = f"{PROGRAM} serve --port {port} --processes 1 --model {MODEL} > {log} 2>&1 & echo $!"
    pid = int(subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout)
    try:
        await_text(log, "serving at")
        time.sleep(1.5)  # it looks for its parent every second
        assert answers(f"http://127.0.0.1:{port}")
    finally:
        os.kill(pid, signal.SIGTERM)
    await_text(log, "Finished server process")


def answers(url: str) -> bool:
    try:
        connect(url).close()
    except ConnectionRefusedError:
        return False
    return True


def test_a_taken_port_is_not_shared() -> None:
    with listening("127.0.0.1", 0, 2) as listeners:
        host, port = listeners[0].getsockname()
        for listener in listeners:
            listener.listen()
        with pytest.raises(AddressError, match=f"cannot listen on {host} port {port}"), listening(host, port, 2):
            pass


def test_how_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _default_count("cpu") == min(cores(), MAX_PROCESSES)
    monkeypatch.setattr("serve.process.supervisor.cores", lambda: 64)
    assert _default_count("cpu") == MAX_PROCESSES
    assert _default_count("cuda") == 1


def test_what_one_of_several_has_of_the_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serve.process.supervisor.cores", lambda: 16)
    part = _settings_of_one(Settings(model_memory_mb=900, max_connections=1000), 3)
    assert (part.model_memory_mb, part.max_connections, part.decode_threads) == (300, 334, 5)
    assert _settings_of_one(Settings(decode_threads=1), 3).decode_threads == 1
    assert _settings_of_one(Settings(), 16).decode_threads == 2
