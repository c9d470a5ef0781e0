"""Peak speed of the machine: the product of two large square matrices, in the precision of `zoo train`."""

import itertools
import json
import sys
import time
from collections.abc import Callable

import torch

from training.device import choose_precision

SIDES = {"cpu": (1024, 2048, 4096), "cuda": (4096, 8192, 16384)}
SECONDS = 0.5
"""Minimum time per shape."""
WARMUP = 2
"""Warm-up calls."""


def best_seconds(call: Callable[[], object], on_gpu: bool) -> float:
    """Shortest time of a call within `SECONDS`, timed one by one."""
    best, until = float("inf"), 0.0
    for turn in itertools.count():
        started = time.perf_counter()
        call()
        if on_gpu:
            torch.cuda.synchronize()
        ended = time.perf_counter()
        if turn == WARMUP:
            until = ended + SECONDS
        if turn > WARMUP:
            best = min(best, ended - started)
            if ended > until:
                break
    return best


def multiply_adds_per_second(side: int, device: torch.device, dtype: torch.dtype) -> float:
    """Multiply-adds per second of PyTorch's product of two matrices with this side."""
    left, right = torch.randn(2, side, side, device=device, dtype=dtype).unbind()
    result = torch.empty_like(left)
    return side**3 / best_seconds(lambda: torch.mm(left, right, out=result), device.type == "cuda")


def main(name: str) -> None:
    device = torch.device(name)
    dtype = torch.bfloat16 if choose_precision("auto", device)[0] == "bf16" else torch.float32
    speeds = {side: multiply_adds_per_second(side, device, dtype) for side in SIDES[device.type]}
    print(json.dumps({"multiply_adds_per_second": speeds}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
