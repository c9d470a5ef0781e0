import ctypes
import gc
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from zoo.machine import (
    cores,
    freeze_loaded_objects,
    instructions,
    keep_freed_memory,
    processor,
    return_large_memory,
    total_memory,
)


@pytest.mark.parametrize(("limit", "memory"), [("max\n", 2**20 * 100), (f"{2**60}\n", 2**20 * 100), ("1000\n", 1000)])
def test_a_container_has_as_much_memory_as_it_may_use(limit: str, memory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"SC_PAGE_SIZE": 2**20, "SC_PHYS_PAGES": 100}
    monkeypatch.setattr(os, "sysconf", sizes.__getitem__)
    monkeypatch.setattr(Path, "read_text", lambda path: limit)
    assert total_memory() == memory


@pytest.mark.parametrize(
    ("lines", "names"),
    [
        ("processor\t: 0\nflags\t\t: fpu avx2\nflags\t\t: other\n", {"fpu", "avx2"}),
        ("Features\t: fp asimd bf16\n", {"fp", "asimd", "bf16"}),
        ("processor\t: 0\n", set()),
    ],
)
def test_instruction_sets_of_the_processor(lines: str, names: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_text", lambda path: lines)
    assert instructions() == names


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


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_glibc_takes_the_settings() -> None:
    assert keep_freed_memory()


def test_other_systems_have_no_such_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not keep_freed_memory()
    assert not return_large_memory()


def test_what_is_loaded_is_passed_over() -> None:
    before = gc.get_freeze_count()
    try:
        freeze_loaded_objects()
        assert gc.get_freeze_count() > before + 10_000
    finally:
        gc.unfreeze()


HOLES = """
import sys
from pathlib import Path
from zoo.machine import return_large_memory

if sys.argv[1] == "yes":
    return_large_memory()
bytearray(8 << 20)  # glibc learns from it that such memory is needed again
large, small = [], []
for _ in range(20):
    large.append(bytearray(4 << 20))
    small += [bytes(1000) for _ in range(100)]
del large
print(int(Path("/proc/self/statm").read_text().split()[1]) * 4096)
"""
"""What stays of 80 MB with small things between them."""


@pytest.mark.process
@pytest.mark.skipif(
    not Path("/proc/self/statm").exists() or not hasattr(ctypes.CDLL(None), "mallopt"), reason="not glibc on Linux"
)
def test_large_memory_goes_back_to_the_system() -> None:
    kept, given_back = (
        int(subprocess.run([sys.executable, "-c", HOLES, way], capture_output=True, check=True, timeout=60).stdout)
        for way in ("no", "yes")
    )
    assert kept - given_back > 60e6
