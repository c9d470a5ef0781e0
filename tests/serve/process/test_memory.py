import ctypes
import gc
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from serve.http.body import FormFiles
from serve.inference.decoding import Upload
from serve.process.memory import spare_what_is_loaded


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("data", [None, b"no picture", b"\xff\xd8\xff half a JPEG"])
def test_a_request_leaves_nothing_that_only_the_collector_can_free(
    client: TestClient, photo_file: Path, data: bytes | None
) -> None:
    """Else files of a server's requests would pile up until it comes."""
    client.post("/classify", files={"file": photo_file.read_bytes()})
    gc.collect()
    before = held()
    for _ in range(5):
        client.post("/classify", files={"file": data or photo_file.read_bytes()})
    assert held() == before


def held() -> int:
    """Forms and files in memory."""
    return sum(type(thing) in (FormFiles, Upload) for thing in gc.get_objects())


def test_what_is_loaded_is_passed_over() -> None:
    before = gc.get_freeze_count()
    try:
        spare_what_is_loaded()
        assert gc.get_freeze_count() > before + 10_000
    finally:
        gc.unfreeze()


HOLES = """
import sys
from pathlib import Path
from serve.process.memory import give_back_large_memory

if sys.argv[1] == "yes":
    give_back_large_memory()
bytearray(8 << 20)  # glibc learns from it that such memory is needed again
large, small = [], []
for _ in range(20):
    large.append(bytearray(4 << 20))
    small += [bytes(1000) for _ in range(100)]
del large
print(int(Path("/proc/self/statm").read_text().split()[1]) * 4096)
"""
"""What stays of 80 MB with small things between them."""


@pytest.mark.skipif(
    not Path("/proc/self/statm").exists() or not hasattr(ctypes.CDLL(None), "mallopt"), reason="not glibc on Linux"
)
def test_large_memory_goes_back_to_the_system() -> None:
    kept, given_back = (
        int(subprocess.run([sys.executable, "-c", HOLES, way], capture_output=True, check=True, timeout=60).stdout)
        for way in ("no", "yes")
    )
    assert kept - given_back > 60e6
