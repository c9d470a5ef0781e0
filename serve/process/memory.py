"""Memory as a server wants it: what a request took is given back, and what stays costs nothing."""

import ctypes
import gc

LARGE = 2**20
"""Bytes from which on memory goes back to the system as soon as it is free."""

_M_MMAP_THRESHOLD = -3
"""Of glibc's `mallopt`."""


def give_back_large_memory() -> None:
    """Let large memory go back to the system at once, where the C library is glibc.

    By itself it learns from the first large picture to keep as much for the next one, and so a process that has seen
    many pictures of many sizes holds far more than it uses.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(_M_MMAP_THRESHOLD, LARGE)


def spare_what_is_loaded() -> None:
    """Let the garbage collector pass over all objects that exist now.

    What a server has loaded stays: to look at all of it takes some 50 ms, in which nothing else is done.
    """
    gc.collect()
    gc.freeze()
