import os
from pathlib import Path

import pytest

from zoo.machine import cores, total_memory


@pytest.mark.parametrize(("limit", "memory"), [("max\n", 2**20 * 100), (f"{2**60}\n", 2**20 * 100), ("1000\n", 1000)])
def test_a_container_has_as_much_memory_as_it_may_use(limit: str, memory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"SC_PAGE_SIZE": 2**20, "SC_PHYS_PAGES": 100}
    monkeypatch.setattr(os, "sysconf", sizes.__getitem__)
    monkeypatch.setattr(Path, "read_text", lambda path: limit)
    assert total_memory() == memory


def test_cores_are_those_that_the_process_may_use() -> None:
    assert 1 <= cores() <= (os.cpu_count() or 1)
