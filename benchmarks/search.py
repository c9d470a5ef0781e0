"""Time to search an index of images exactly, on one core.

    OPENBLAS_NUM_THREADS=1 python benchmarks/search.py [--images N] [--dimensions D ...] [--repeats N] [--out FILE]

The vectors are random, of length 1, and memory-mapped from a file in a temporary folder that has just been read, as an
index is; what they are does not change the time. Each query is searched alone, as that of a request, for its ten
nearest images, in single precision and, to compare, in half precision. CPU time stands beside wall time, which is
longer if other processes need the cores. The half-precision results are compared with those in single precision.

Raw results are written to benchmarks/results/search.json; `make docs` writes the table of docs/embeddings.md from it.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from peers.machine import describe

from zoo.files import write_json
from zoo.outputs import Array
from zoo.search.nearest import Neighbours, nearest, unit

RESULTS = Path(__file__).parent / "results" / "search.json"
TYPES = ("float32", "float16")
COUNT = 10


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Time to search an index.")
    parser.add_argument("--images", type=int, default=100_000, help="images in the index")
    parser.add_argument("--dimensions", type=int, nargs="+", default=(64, 128, 342), help="sizes of the embeddings")
    parser.add_argument("--repeats", type=int, default=15, help="searches of each kind")
    parser.add_argument("--out", type=Path, default=RESULTS, help="file for the raw results")
    return parser.parse_args()


def random_vectors(count: int, size: int, seed: int) -> Array:
    """Vectors of length 1."""
    return unit(np.random.default_rng(seed).standard_normal((count, size), dtype=np.float32))


def searches(vectors: Array, queries: Array) -> Iterator[tuple[dict[str, float], Neighbours]]:
    """Times of the search for each query, and what it found."""
    for query in queries:
        wall, processor = time.perf_counter(), time.process_time()
        found = nearest(vectors, query[None], COUNT)
        seconds = {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - processor}
        yield seconds, found


def agreement(one: Neighbours, other: Neighbours) -> float:
    """Share of the images of one search that another one also found."""
    return len(np.intersect1d(one.images, other.images)) / one.images.size


def measure(images: int, size: int, repeats: int) -> dict[str, Any]:
    """Times of both types for one size, in turns, with their medians."""
    vectors, queries = random_vectors(images, size, 0), random_vectors(repeats, size, 1)
    turns: dict[str, list[dict[str, float]]] = {}
    found: dict[str, list[Neighbours]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in TYPES:
            file = Path(folder) / f"{name}.npy"
            np.save(file, vectors.astype(name))
            mapped = np.load(file, mmap_mode="r")
            nearest(mapped, queries[:1], COUNT)  # reads the file
            results = list(searches(mapped, queries))
            turns[name], found[name] = [seconds for seconds, _ in results], [neighbours for _, neighbours in results]
    agreements = map(agreement, found["float32"], found["float16"])
    medians = {
        name: {key: statistics.median(turn[key] for turn in own) for key in own[0]} for name, own in turns.items()
    }
    return {"medians": medians, "half_precision_agreement": statistics.mean(agreements), "turns": turns}


def main() -> None:
    arguments = read_arguments()
    if os.environ.get("OPENBLAS_NUM_THREADS") != "1":
        raise SystemExit("set OPENBLAS_NUM_THREADS=1, to measure one core")
    machine = describe("cpu", 1)
    report = {str(size): measure(arguments.images, size, arguments.repeats) for size in arguments.dimensions}
    measured = {"machine": machine, "images": arguments.images, "repeats": arguments.repeats, "report": report}
    write_json(arguments.out, measured)
    for size, row in report.items():
        for name, own in row["medians"].items():
            print(f"D = {size}, {name}: {1000 * own['cpu_seconds']:.1f} ms of CPU, {1000 * own['seconds']:.1f} ms")
        print(f"D = {size}: {row['half_precision_agreement']:.2%} of the nearest are the same in half precision")


if __name__ == "__main__":
    main()
