import gc
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from serve.http.body import FormFiles
from serve.inference.decoding import Upload

pytestmark = pytest.mark.slow


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("data", [None, b"no image", b"\xff\xd8\xff half a JPEG"])
def test_a_request_leaves_nothing_that_only_the_collector_can_free(
    client: TestClient, photo_file: Path, data: bytes | None
) -> None:
    """Else files of a server's requests would pile up until it comes."""
    client.post("/classify", files={"file": photo_file.read_bytes()})
    gc.collect()
    before = held()
    for _ in range(5):
        client.post("/classify", files={"file": data or photo_file.read_bytes()})
    # The server's threads let go of a request a moment after its answer.
    deadline = time.monotonic() + 5
    while held() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert held() <= before


def held() -> int:
    """Forms and files in memory."""
    return sum(type(thing) in (FormFiles, Upload) for thing in gc.get_objects())
