"""What this machine, or this container of it, has for a process."""

import os
import platform
from pathlib import Path

_CONTAINER = Path("/sys/fs/cgroup")


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
