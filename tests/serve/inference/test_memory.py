import fcntl
import subprocess
import sys
from pathlib import Path

import pytest
from support.fake_cuda import GB, FakeCuda

from serve.inference.memory import cuda_memory_limit, loading_alone, used_bytes
from serve.shared import METRICS_FOLDER


def test_on_the_cpu_it_is_that_of_this_process() -> None:
    # In a process of its own: here, memory that other tests freed may be returned at any moment.
    code = (
        "from serve.inference.memory import used_bytes; before = used_bytes('cpu'); data = b'x' * 100_000_000; "
        "print(used_bytes('cpu') - before)"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert 90_000_000 < int(printed) < 200_000_000


def test_on_cuda_it_is_that_of_the_gpu(fake_cuda: FakeCuda) -> None:
    assert used_bytes("cuda") == GB
    fake_cuda.used += 5
    assert used_bytes("cuda") == GB + 5
    assert fake_cuda.threads == {"cuda_0"}


@pytest.mark.parametrize(
    ("model_memory_mb", "processes", "limit"), [(0, 1, 0), (0, 4, 2 * GB), (300, 1, 300_000_000), (300, 4, 300_000_000)]
)
def test_how_much_of_the_gpu_a_model_may_take(
    model_memory_mb: float, processes: int, limit: int, fake_cuda: FakeCuda
) -> None:
    assert cuda_memory_limit(model_memory_mb, processes) == limit


def test_on_cuda_one_process_loads_at_a_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(METRICS_FOLDER, str(tmp_path))

    def is_free() -> bool:
        with (tmp_path / "loading.lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

    with loading_alone("cuda"):
        assert not is_free()
    assert is_free()
    with loading_alone("cpu"):
        assert is_free()
    monkeypatch.delenv(METRICS_FOLDER)
    with loading_alone("cuda"):
        assert is_free()
