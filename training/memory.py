"""Keep freed memory in the process while training on the CPU."""

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Option numbers of glibc's `mallopt`."""


def keep_freed_memory() -> bool:
    """Tell glibc not to give large blocks back to the system: a step allocates the same ones again.

    Without it every activation is a fresh mapping whose pages fault in one by one, a third of a dense network's step.

    Returns:
        Whether the C library took the setting; others than glibc do not have it.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(M_MMAP_MAX, 0)) and bool(mallopt(M_TRIM_THRESHOLD, 2**31 - 1))
