"""The one thread of a process that calls CUDA through ONNX Runtime.

ONNX Runtime captures graphs in CUDA's global mode: while it does, an allocation, a copy or the release of a session in
any other thread fails and spoils the capture. And a graph can be replayed only by the thread that captured it.
"""

import traceback
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, ParamSpec, TypeVar

from zoo.errors import DeviceError
from zoo.predictors.forks import notify_after_fork

P = ParamSpec("P")
T = TypeVar("T")


class CudaThread:
    """Runs functions one after the other in a thread of its own, which starts with the first of them."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="cuda")
        self._discarded: deque[list[Any]] = deque()
        self._started = False
        self.lost = False
        """Whether this process was forked from one that had started the thread: CUDA does not survive that."""
        notify_after_fork(self)

    def after_fork(self) -> None:
        """Note that the thread, if there was one, is the parent's."""
        self.lost = self.lost or self._started
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="cuda")

    def run(self, function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        """Result of a function, which runs in the thread; for all threads but this one.

        Raises:
            DeviceError: this process was forked from one that used CUDA.
        """
        if self.lost:
            raise DeviceError(
                "CUDA was started before this process was forked, which it does not survive; start processes with "
                "multiprocessing's `spawn`, and open the model in each"
            )
        self._started = True
        return self._executor.submit(self._run, partial(function, *arguments, **options)).result()

    def discard(self, owned: list[Any]) -> None:
        """Release what a list holds, in the thread, before the next function runs; never waits."""
        self._discarded.append(owned)

    def _run(self, call: Callable[[], T]) -> T:
        while self._discarded:
            self._discarded.popleft().clear()
        try:
            return call()
        except Exception as error:
            _release_variables(error)
            raise


def _release_variables(error: BaseException | None) -> None:
    """Clear the local variables in an error's tracebacks: the caller gets them, but sessions must be released here."""
    while error:
        traceback.clear_frames(error.__traceback__)
        error = error.__context__


cuda_thread = CudaThread()
