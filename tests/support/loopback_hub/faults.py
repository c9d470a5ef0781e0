"""What goes wrong on request: the next answers of a route, or the connection in the middle of a body."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from support.loopback_hub.messages import Answer

Way = Literal["request", "answer"]


@dataclass
class Fault:
    """One kind of failure, as often as it is due."""

    route: str
    """Name of the function that answers."""
    where: str
    """Part of the request's path."""
    times: int
    answer: Answer | None = None
    """Given instead of the route's."""
    way: Way = "answer"
    """Whose body breaks off."""
    after: int = 0
    """Bytes of it that still pass."""
    stands: bool = False
    """Whether the connection stands still instead of being cut."""
    reached: threading.Event = field(default_factory=threading.Event)
    """Set when it happens."""
    over: threading.Event = field(default_factory=threading.Event)
    """Ends a standstill, by a cut."""


class Faults:
    """The failures that are still to happen."""

    def __init__(self) -> None:
        self._due: list[Fault] = []
        self._lock = threading.Lock()

    def answer(
        self, route: str, status: int, times: int = 1, where: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        """Have the next answers of a route be errors."""
        self._add(Fault(route, where, times, Answer(status, b'{"error": "a fault"}', headers or {})))

    def cut(self, route: str, way: Way = "answer", after: int = 0, times: int = 1, where: str = "") -> Fault:
        """Close the next connections of a route, when so many bytes of the request's or the answer's body passed."""
        return self._add(Fault(route, where, times, way=way, after=after))

    def stall(self, route: str, way: Way = "answer", after: int = 0, where: str = "") -> Fault:
        """Have the next connection of a route stand still there, until `over` is set."""
        return self._add(Fault(route, where, 1, way=way, after=after, stands=True))

    def take(self, route: str, path: str) -> Fault | None:
        """The failure that is due for a request."""
        with self._lock:
            for fault in self._due:
                if fault.route == route and fault.where in path and fault.times:
                    fault.times -= 1
                    return fault
        return None

    def end(self) -> None:
        """End all standstills, and let nothing more happen."""
        with self._lock:
            for fault in self._due:
                fault.over.set()
            self._due.clear()

    def _add(self, fault: Fault) -> Fault:
        with self._lock:
            self._due.append(fault)
        return fault
