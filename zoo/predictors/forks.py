"""What a process inherits by a fork and must not use: threads of its parent are gone, and what waits for them hangs."""

import ctypes
import os
from typing import Any, Protocol
from weakref import WeakSet


class ForkAware(Protocol):
    """What has threads, or locks that another thread may hold."""

    def after_fork(self) -> None:
        """Called in the child, where no other thread is."""


def notify_after_fork(owner: ForkAware) -> None:
    """Call `owner.after_fork` in every process that is forked from this one while the owner lives."""
    _owners.add(owner)


def leak_after_fork(value: Any) -> None:
    """Leave a value in memory for ever in forked processes, where its destructor would wait for threads, or crash."""
    _indestructible.add(value)


def _after_fork() -> None:
    for value in _indestructible:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(value))
    for owner in list(_owners):
        owner.after_fork()


_owners: WeakSet[ForkAware] = WeakSet()
_indestructible: WeakSet[Any] = WeakSet()

if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_after_fork)
