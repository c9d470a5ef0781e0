import os
from pathlib import Path

import pytest

from zoo.machine import cores, processor, total_memory


@pytest.mark.parametrize(("limit", "memory"), [("max\n", 2**20 * 100), (f"{2**60}\n", 2**20 * 100), ("1000\n", 1000)])
def test_a_container_has_as_much_memory_as_it_may_use(limit: str, memory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"SC_PAGE_SIZE": 2**20, "SC_PHYS_PAGES": 100}
    monkeypatch.setattr(os, "sysconf", sizes.__getitem__)
    monkeypatch.setattr(Path, "read_text", lambda path: limit)
    assert total_memory() == memory


def test_cores_are_those_that_the_process_may_use() -> None:
    assert 1 <= cores() <= (os.cpu_count() or 1)


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        ("max 100000\n", 8),
        ("200000 100000\n", 2),
        ("150000 100000\n", 2),
        ("1000 100000\n", 1),
        ("9900000 100000\n", 8),
    ],
)
def test_a_container_has_its_share_of_the_cores(share: str, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    monkeypatch.setattr(Path, "read_text", lambda path: share)
    assert cores() == expected


@pytest.mark.parametrize("share", ["", "max", "a b c"])
def test_a_share_of_another_form_changes_nothing(share: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1}, raising=False)
    monkeypatch.setattr(Path, "read_text", lambda path: share)
    assert cores() == 2


def test_the_processor_has_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert processor()
    monkeypatch.setattr(Path, "read_text", lambda path: "processor\t: 0\nmodel name\t: A: processor\nmodel name\t: B\n")
    assert processor() == "A: processor"
    monkeypatch.setattr("platform.processor", lambda: "another")
    monkeypatch.setattr(Path, "read_text", lambda path: "nothing of the kind\n")
    assert processor() == "another"

    def missing(path: Path) -> str:
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "read_text", missing)
    monkeypatch.setattr("platform.processor", lambda: "")
    monkeypatch.setattr("platform.machine", lambda: "a machine")
    assert processor() == "a machine"
