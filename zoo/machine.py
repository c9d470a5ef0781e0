"""Resources of this machine or container (cores, memory), and settings of the memory allocator."""

import ctypes
import gc
import os
import platform
import sys
from pathlib import Path

LARGE = 2**20
"""Size in bytes from which `return_large_memory` returns freed blocks."""

X86_INT8 = frozenset({"avx_vnni", "avx512_vnni", "amx_int8"})
"""Instruction sets of x86 processors, of which each adds products of 8-bit numbers in 32 bits."""

_CONTAINER = Path("/sys/fs/cgroup")

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_MMAP_MAX = -1, -3, -4
"""Option numbers of glibc's `mallopt`."""


def cores() -> int:
    """Number of CPU cores that this process may use; in a container, its CPU quota rounded up."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = (_CONTAINER / "cpu.max").read_text().split()
    except (OSError, ValueError):
        return allowed
    return min(allowed, max(-(-int(quota) // int(period)), 1)) if quota.isdecimal() else allowed


def processor() -> str:
    """Model name of this machine's CPU."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()


def instructions() -> frozenset[str]:
    """Names of the instruction sets of this machine's CPU, as in Linux's `/proc/cpuinfo`; empty on other systems."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].split() for line in lines if line.startswith(("flags", "Features")))
    return frozenset(next(names, ()))


def total_memory() -> int:
    """Total memory in bytes, or the container's limit.

    Not the free memory, since a resumed run must make the same choices as before.
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

    Otherwise every activation is a fresh mapping whose pages fault in one by one, which takes a third of the time of a
    DenseNet's step.

    Returns:
        Whether the setting was applied; only glibc supports it.
    """
    return _mallopt(_M_MMAP_MAX, 0) and _mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def return_large_memory() -> bool:
    """Return large freed blocks to the system immediately, for a server.

    By default, glibc raises its threshold after the first large image and keeps that much memory for the next one, so a
    process that has handled images of many sizes holds far more than it uses.

    Returns:
        Whether the setting was applied; only glibc supports it.
    """
    return _mallopt(_M_MMAP_THRESHOLD, LARGE)


def freeze_loaded_objects() -> None:
    """Exempt all existing objects from garbage collection, for a server.

    Loaded modules and models stay anyway, and scanning them takes some 50 ms during which nothing else runs.
    """
    gc.collect()
    gc.freeze()


def _mallopt(option: int, value: int) -> bool:
    """Set an option of glibc's allocator; returns False with any other C library."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(option, value))
