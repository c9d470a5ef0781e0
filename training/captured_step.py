"""A training step that is captured once per image size and then replayed, with its inputs in fixed tensors.

A step of a small network is hundreds of short kernels, and launching them one by one takes a GPU's host longer than
computing them takes the GPU. Replaying a CUDA graph launches all of them at once. The graph reads and writes the memory
that it was captured with: batches are copied into tensors of its own, and what changes from step to step, such as the
learning rate, must be in tensors too.
"""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from training.feed import Batch

WARM_UP_STEPS = 3
"""Steps before a capture, in which libraries choose algorithms, load kernels and allocate their workspaces."""

Capture = Callable[[Callable[[], None]], Callable[[], None]]
"""Function that runs a step without arguments a few times, and returns what then runs it."""


def cuda_graph(step: Callable[[], None]) -> Callable[[], None]:
    """Capture a step as a CUDA graph; returns its replay.

    Raises:
        RuntimeError: the step cannot be captured.
    """
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UP_STEPS):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    # Other threads may use CUDA meanwhile, as that which pins streamed images does.
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        step()
    return graph.replay


class CapturedStep:
    """A step on batches of one layout after another, captured at the first batch of each.

    A step that cannot be captured is called as it is.

    Arguments:
        step: updates `state` with a batch; it must not read anything back from the device.
        state: all tensors that a step changes; they keep their values during the capture.
        capture: `cuda_graph`, or something like it in tests.
        say: called with a sentence if the step cannot be captured.
    """

    def __init__(
        self, step: Callable[[Batch], None], state: Sequence[Tensor], capture: Capture, say: Callable[[str], None]
    ) -> None:
        self._step, self._state, self._capture, self._say = step, list(state), capture, say
        self._layout: list[tuple[torch.Size, torch.dtype]] = []
        self._inputs: list[Tensor] = []
        self._replay: Callable[[], None] | None = None
        self._failed = False

    def __call__(self, batch: Batch) -> None:
        """Do the step."""
        tensors = [field for field in batch if field is not None]
        layout = [(tensor.shape, tensor.dtype) for tensor in tensors]
        if layout != self._layout and not self._failed:
            self._layout = layout
            self._prepare(batch)
        if self._replay is None:
            self._step(batch)
            return
        for own, tensor in zip(self._inputs, tensors, strict=True):
            own.copy_(tensor)
        self._replay()

    @torch.no_grad()
    def _prepare(self, batch: Batch) -> None:
        """Capture the step for batches of this layout."""
        self._replay = None  # frees the memory of the last graph
        inputs = batch.clone()
        self._inputs = [field for field in inputs if field is not None]
        saved = [tensor.clone() for tensor in self._state]
        try:
            with torch.enable_grad():
                self._replay = self._capture(partial(self._step, inputs))
        except RuntimeError as error:
            self._failed = True
            for tensor in self._state:
                tensor.grad = None  # of a half-done step
            why = str(error).partition("\n")[0]
            self._say(f"training without a CUDA graph, which is slower: {why}")
        torch._foreach_copy_(self._state, saved)
