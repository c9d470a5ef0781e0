"""The service on CUDA: on a GPU that does not exist, and marked `cuda`, on a real one."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import httpx2
import numpy as np
import pytest
from starlette.testclient import TestClient
from support.fake_cuda import GB, SESSION_BYTES, FakeCuda
from support.onnx_files import copy_under_name
from support.process import serving

from serve.app import create_app
from serve.inference.memory import used_bytes
from serve.inference.service import Service
from serve.settings import Settings
from zoo.hub import DEFAULT_MODEL, open_model
from zoo.images.preprocess import Pixels
from zoo.package import Package


@pytest.fixture
def packages(tmp_path: Path) -> list[Package]:
    package = open_model(DEFAULT_MODEL)
    return [package, copy_under_name(package, tmp_path / "b", "b"), copy_under_name(package, tmp_path / "c", "c")]


@pytest.fixture
def make(packages: list[Package]) -> Iterator[Callable[..., TestClient]]:
    clients: list[TestClient] = []

    def build(count: int = 1, **settings: object) -> TestClient:
        service = Service(Settings(device="cuda", **settings), packages[:count])  # type: ignore[arg-type]
        assert service.ready
        client = TestClient(create_app(service))
        client.app_state["service"] = service
        clients.append(client.__enter__())
        return client

    yield build
    for client in clients:
        client.__exit__(None, None, None)


def classify(client: TestClient, photo: bytes, images: int = 1, model: str = "") -> Sequence[str]:
    query = f"?model={model}" if model else ""
    answer = client.post(f"/classify{query}", files=[("file", photo)] * images)
    assert answer.status_code == 200, answer.text
    return [result["classes"][0]["label"] for result in answer.json()["results"]]


def test_when_it_is_ready_every_batch_size_was_captured(
    make: Callable[..., TestClient], fake_cuda: FakeCuda, photo: bytes
) -> None:
    client = make(max_batch=20)
    assert set(fake_cuda.details("capture")) == {1, 2, 4, 8, 16, 32}
    before = len(fake_cuda.details("capture"))
    for images in (1, 2, 3, 5, 9, 20):
        assert classify(client, photo, images) == ["cat"] * images
    assert len(fake_cuda.details("capture")) == before
    assert fake_cuda.threads == {"cuda_0"}


def test_by_default_batches_are_as_large_as_suits_a_gpu(make: Callable[..., TestClient], fake_cuda: FakeCuda) -> None:
    make()
    assert max(fake_cuda.details("capture")) == 256


def test_models_are_loaded_and_unloaded_within_the_memory_of_the_gpu(
    make: Callable[..., TestClient], fake_cuda: FakeCuda, photo: bytes
) -> None:
    client = make(3, max_batch=2, load="use", model_memory_mb=250)
    models = client.app_state["service"].models
    for name in [*models] * 3:
        assert classify(client, photo, model=name) == ["cat"]
    assert {model.bytes for model in models.values()} == {SESSION_BYTES}
    assert sum(model.loaded is not None for model in models.values()) == 2
    assert fake_cuda.used == GB + 2 * SESSION_BYTES
    assert {chosen["gpu_mem_limit"] for chosen in fake_cuda.details("open")} == {"250000000"}
    assert fake_cuda.threads == {"cuda_0"}


def test_a_model_is_loaded_while_others_answer(
    make: Callable[..., TestClient], fake_cuda: FakeCuda, photo: bytes
) -> None:
    client = make(3, max_batch=4, load="use")
    names = list(client.app_state["service"].models)
    with ThreadPoolExecutor(6) as pool:
        answers = pool.map(lambda index: classify(client, photo, 1 + index % 4, names[index % 3]), range(24))
        assert {label for labels in answers for label in labels} == {"cat"}
    assert fake_cuda.threads == {"cuda_0"}


def test_an_error_of_the_gpu_is_that_of_the_request_alone(
    make: Callable[..., TestClient], fake_cuda: FakeCuda, photo: bytes, packages: list[Package]
) -> None:
    client = make(2, max_batch=1, load="use")
    fake_cuda.broken = "out of memory"
    answer = client.post(f"/classify?model={packages[1].config.name}", files=[("file", photo)])
    assert answer.status_code == 503
    assert classify(client, photo) == ["cat"]
    fake_cuda.broken = ""
    assert classify(client, photo, model=packages[1].config.name) == ["cat"]
    assert fake_cuda.threads == {"cuda_0"}


@pytest.mark.cuda
def test_after_the_start_no_size_of_a_batch_is_slow_on_a_gpu(make: Callable[..., TestClient]) -> None:
    service: Service = make().app_state["service"]
    model = service.model(None)

    async def compute_all() -> list[float]:
        batches = [noise(count) for count in (1, 2, 3, 5, 17, 33, 49, 65, 97, 129, 193, 256)]
        return [(await service.compute(model, pixels, time.monotonic() + 60)).timing.compute for pixels in batches]

    assert max(asyncio.run(compute_all())) < 0.05


@pytest.mark.cuda
def test_memory_of_a_gpu_is_returned_when_models_are_unloaded(make: Callable[..., TestClient], photo: bytes) -> None:
    client = make(2, max_batch=8, load="use")
    models = client.app_state["service"].models
    first, second = models
    client = make(2, max_batch=8, load="use", model_memory_mb=1.5 * models[first].bytes / 1e6)
    used = []
    for _ in range(5):
        for name in (second, first):
            assert classify(client, photo, model=name) == ["cat"]
        used.append(used_bytes("cuda"))
    assert max(used[1:]) - used[1] < 50_000_000


@pytest.mark.cuda
@pytest.mark.process
@pytest.mark.parametrize("processes", [1, 2])
def test_a_server_on_a_gpu(processes: int, packages: list[Package], photo: bytes) -> None:
    names = [package.config.name for package in packages[:2]]
    flags = [flag for package in packages[:2] for flag in ("--model", f"local-dir:{package.path}")]
    with serving("--device", "cuda", "--load", "use", "--processes", str(processes), *flags) as (_, url):

        def ask(index: int) -> tuple[int, str]:
            answer = httpx2.post(f"{url}/classify?model={names[index % 2]}", files={"file": photo}, timeout=60)
            return answer.status_code, answer.json()["results"][0]["classes"][0]["label"]

        with ThreadPoolExecutor(64) as pool:
            assert set(pool.map(ask, range(256))) == {(200, "cat")}
        assert httpx2.get(f"{url}/readyz").status_code == 200
        metrics = httpx2.get(f"{url}/metrics").text
        if find_spec("pynvml"):
            assert "zoo_gpu_memory_used_bytes" in metrics


def noise(count: int) -> Pixels:
    return np.random.default_rng(count).integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)
