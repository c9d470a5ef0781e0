"""Time of generalised sum pooling, compared with global average pooling.

    python benchmarks/pooling.py [--repeats N] [--batch N] [--channels N] [--device D] [--out FILE]

Forward and backward of the pooling alone, for features [N, channels, h, w] on patch grids of 8 x 8 and 21 x 21 (images
of 32 and 84 pixels), and of whole training steps of `wrn16` at 32 pixels with either pooling. The two take turns, so
that a busy machine slows both; the ratio is the median of the ratios of neighbouring turns. Raw times are written to
benchmarks/results/pooling.json.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

import zoo
from zoo.files import write_json
from zoo.networks.pooling import make_pooling
from zoo.registry import KEPT_MASS, PoolingName

GRIDS = (8, 21)
POOLINGS: tuple[PoolingName, ...] = ("gap", "gsp")
HERE = Path(__file__).parent

Step = Callable[[], None]


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def seconds(step: Step, device: torch.device) -> float:
    synchronize(device)
    start = time.perf_counter()
    step()
    synchronize(device)
    return time.perf_counter() - start


def pooling_steps(name: PoolingName, grid: int, arguments: argparse.Namespace) -> dict[str, Step]:
    """Forward alone, and forward with backward, of a pooling."""
    torch.manual_seed(0)
    device = torch.device(arguments.device)
    pooling = make_pooling(name, arguments.channels, KEPT_MASS).to(device)
    features = torch.randn(arguments.batch, arguments.channels, grid, grid, device=device).relu()
    features = features.contiguous(memory_format=torch.channels_last).requires_grad_()

    def forward() -> None:
        with torch.inference_mode():
            pooling(features)

    def both() -> None:
        pooling(features).features.square().sum().backward()

    return {"forward": forward, "forward and backward": both}


def training_step(name: PoolingName, arguments: argparse.Namespace) -> dict[str, Step]:
    """Forward and backward of a whole network."""
    torch.manual_seed(0)
    device = torch.device(arguments.device)
    network: nn.Module = zoo.create("wrn16", pooling=name).to(device).to(memory_format=torch.channels_last)
    pixels: Tensor = torch.randint(256, (arguments.batch, 3, 32, 32), dtype=torch.uint8, device=device)

    def step() -> None:
        network(pixels).logsumexp(dim=1).sum().backward()

    return {"training step of wrn16": step}


def compare(own: dict[PoolingName, dict[str, Step]], arguments: argparse.Namespace) -> dict[str, Any]:
    """Times of the poolings in turns, by what is computed."""
    device, found = torch.device(arguments.device), {}
    for what in own["gap"]:
        for name in POOLINGS:
            own[name][what]()  # allocates
        turns: dict[str, list[float]] = {name: [] for name in POOLINGS}
        for _ in range(arguments.repeats):
            for name in POOLINGS:
                turns[name].append(seconds(own[name][what], device))
        ratios = [gsp / gap for gap, gsp in zip(turns["gap"], turns["gsp"], strict=True)]
        found[what] = {"seconds": turns, "median_ratio": statistics.median(ratios)}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Time of generalised sum pooling and of global average pooling.")
    parser.add_argument("--repeats", type=int, default=30, help="turns per pooling")
    parser.add_argument("--batch", type=int, default=32, help="images")
    parser.add_argument("--channels", type=int, default=128, help="channels of the features")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, default=HERE / "results/pooling.json", help="file for the raw results")
    arguments = parser.parse_args()
    measured = {
        f"{grid} x {grid}": compare({name: pooling_steps(name, grid, arguments) for name in POOLINGS}, arguments)
        for grid in GRIDS
    }
    measured["8 x 8, whole network"] = compare({name: training_step(name, arguments) for name in POOLINGS}, arguments)
    table = Table(title=f"{arguments.batch} images, {arguments.channels} channels, {arguments.device}")
    for heading in ("patch grid", "computed", "gap, ms", "gsp, ms", "gsp / gap"):
        table.add_column(heading, justify="left" if heading in ("patch grid", "computed") else "right")
    for grid, rows in measured.items():
        for what, row in rows.items():
            medians = [f"{1000 * statistics.median(row['seconds'][name]):.2f}" for name in POOLINGS]
            table.add_row(grid, what, *medians, f"{row['median_ratio']:.2f}")
    Console().print(table)
    settings = {name: getattr(arguments, name) for name in ("repeats", "batch", "channels", "device")}
    settings |= {"threads": torch.get_num_threads(), "torch": torch.__version__}
    write_json(arguments.out, settings | {"measured": measured})


if __name__ == "__main__":
    main()
