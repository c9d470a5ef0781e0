"""The machine's speed at what it does best: the product of two large square bf16 matrices."""

import itertools
import json
import sys
import time

import torch

SIDES = {"cpu": (1024, 2048, 4096), "cuda": (4096, 8192, 16384)}
SECONDS = 0.5
"""Least time for each shape."""
WARMUP = 2
"""Products before the timed ones."""


def multiply_adds_per_second(side: int, device: torch.device) -> float:
    """Of the product of two matrices with this side: the best of products timed one by one."""
    left, right = torch.randn(2, side, side, device=device, dtype=torch.bfloat16).unbind()
    result = torch.empty_like(left)
    best, until = float("inf"), 0.0
    for turn in itertools.count():
        started = time.perf_counter()
        torch.mm(left, right, out=result)
        if device.type == "cuda":
            torch.cuda.synchronize()
        ended = time.perf_counter()
        if turn == WARMUP:
            until = ended + SECONDS
        if turn > WARMUP:
            best = min(best, ended - started)
            if ended > until:
                break
    return side**3 / best


def main(name: str) -> None:
    device = torch.device(name)
    speeds = {side: multiply_adds_per_second(side, device) for side in SIDES[device.type]}
    print(json.dumps({"multiply_adds_per_second": speeds}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
