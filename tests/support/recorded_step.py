"""A step that is recorded and replayed as a CUDA graph is, on any device: the same operations on the same memory."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

READS = frozenset({"aten::_local_scalar_dense", "aten::equal", "aten::is_nonzero", "aten::nonzero"})
"""Operations whose result the host waits for."""


class _Recorder(TorchDispatchMode):
    """Record of operations and of the tensors they read and write, which it keeps in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, tuple[Any, ...], dict[str, Any], list[Tensor]]] = []

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if operation.name().partition(".")[0] in READS:
            raise RuntimeError(f"{operation} reads back from the device")
        result = operation(*args, **(kwargs or {}))
        given = {tensor.untyped_storage().data_ptr() for tensor in tree_leaves((args, kwargs)) if _is_tensor(tensor)}
        made = [out for out in tree_leaves(result) if _is_tensor(out)]
        fresh = [out if out.untyped_storage().data_ptr() not in given else None for out in made]
        self.calls.append((operation, args, kwargs or {}, fresh))
        return result

    @torch.no_grad()
    def replay(self) -> None:
        for operation, args, kwargs, fresh in self.calls:
            made = [out for out in tree_leaves(operation(*args, **kwargs)) if _is_tensor(out)]
            for place, value in zip(fresh, made, strict=True):
                if place is not None:
                    place.copy_(value)


def _is_tensor(value: object) -> bool:
    return isinstance(value, Tensor)


def record(step: Callable[[], None]) -> Callable[[], None]:
    """Like `training.captured_step.cuda_graph`: values that are no tensors stay what they are now.

    Raises:
        RuntimeError: the step reads back from the device.
    """
    for _ in range(3):
        step()
    with _Recorder() as recorder:
        step()
    return recorder.replay
