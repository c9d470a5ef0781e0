"""What this machine, or this container of it, has for a process, and how a process holds its memory."""

import ctypes
import gc
import os
import platform
import sys
from pathlib import Path

LARGE = 2**20
"""Bytes from which on `return_large_memory` lets memory go."""

_CONTAINER = Path("/sys/fs/cgroup")

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_MMAP_MAX = -1, -3, -4
"""Option numbers of glibc's `mallopt`."""


def cores() -> int:
    """Processors that this process may use; those of a container's share, rounded up."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = (_CONTAINER / "cpu.max").read_text().split()
    except (OSError, ValueError):
        return allowed
    return min(allowed, max(-(-int(quota) // int(period)), 1)) if quota.isdecimal() else allowed


def nvidia_driver() -> bool:
    """Whether a GPU of NVIDIA's may be used here."""
    return Path("/proc/driver/nvidia/version").exists() or Path("/dev/dxg").exists()


def processor() -> str:
    """The name of this machine's processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()


def total_memory() -> int:
    """Bytes of memory.

    Not what is free now: a run that goes on later must choose as it did before.
    """
    if not hasattr(os, "sysconf"):
        return 8 * 2**30
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit = (_CONTAINER / "memory.max").read_text().strip()
    except OSError:
        return physical
    return min(physical, int(limit)) if limit.isdecimal() else physical


def keep_freed_memory() -> bool:
    """Keep freed memory in the process, for training on the CPU: a step allocates the same large blocks again.

    Without it every activation is a fresh mapping whose pages fault in one by one, a third of a dense network's step.

    Returns:
        Whether the C library took the setting; only glibc has it.
    """
    return _mallopt(_M_MMAP_MAX, 0) and _mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def return_large_memory() -> bool:
    """Return large freed blocks to the system at once, for a server.

    By itself glibc learns from the first large image to keep as much for the next one, and so a process that has seen
    many images of many sizes holds far more than it uses.

    Returns:
        Whether the C library took the setting; only glibc has it.
    """
    return _mallopt(_M_MMAP_THRESHOLD, LARGE)


def freeze_loaded_objects() -> None:
    """Exempt all objects that exist now from garbage collection, for a server.

    What it has loaded stays: to look at all of it takes some 50 ms, in which nothing else is done.
    """
    gc.collect()
    gc.freeze()


def _mallopt(option: int, value: int) -> bool:
    """Set an option of glibc's allocator; False where the C library is another."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(option, value))
