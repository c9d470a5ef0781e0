"""Fork safety: a forked process lacks the threads of its parent, and waiting for them would hang."""

import ctypes
import os
from typing import Any, Protocol
from weakref import WeakSet


class ForkAware(Protocol):
    """An object with threads, or with locks that another thread may hold."""

    def after_fork(self) -> None:
        """Called in the child, which has no other threads."""


def notify_after_fork(owner: ForkAware) -> None:
    """Call `owner.after_fork` in every process that is forked from this one while the owner lives."""
    _owners.add(owner)


def leak_after_fork(value: Any) -> None:
    """Never free a value in forked processes, where its destructor would wait for threads or crash."""
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
