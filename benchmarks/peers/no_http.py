"""Limit of the machine without HTTP: images decoded and computed as in the server, with one thread per core.

    python benchmarks/peers/no_http.py TASK

Each thread decodes a few images and computes them with one thread, so that none waits for another; on CUDA, they take
turns to compute. `TASK` is JSON;
the last line of the output has `images_per_second` and `cpu_seconds` as JSON.
"""

import itertools
import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from zoo.hub import open_model
from zoo.images.decode import decode_pixels
from zoo.machine import cores
from zoo.predictors.onnx import OnnxPredictor
from zoo.runtime import Device, Precision

BATCH = 8


@dataclass(frozen=True, slots=True)
class Task:
    """Specification of the work."""

    model: str
    """Model, as for `zoo serve`."""
    precision: Precision
    images: tuple[str, ...]
    """Image files, used in rotation."""
    warmup: float
    """Seconds before the measured time."""
    seconds: float
    device: Device = "cpu"

    def to_json(self) -> str:
        return json.dumps(asdict(self))


def work(predictor: OnnxPredictor, images: Iterator[bytes], start: float, stop: float) -> float:
    """Images per second of one thread, for the batches that it started between two times."""
    size = predictor.config.input_size
    done, began = 0, 0.0
    while (now := time.perf_counter()) < stop:
        if now >= start and not began:
            done, began = 0, now
        predictor(np.stack([decode_pixels(next(images), size).pixels for _ in range(BATCH)]))
        done += BATCH
    return done / (now - began) if began else 0.0


def main(task: Task) -> None:
    predictor = OnnxPredictor.open(open_model(task.model), task.device, threads=1, precision=task.precision)
    files = [Path(file).read_bytes() for file in task.images]
    start = time.perf_counter() + task.warmup
    with ThreadPoolExecutor(cores()) as pool:
        threads = [
            pool.submit(work, predictor, itertools.cycle(files), start, start + task.seconds) for _ in range(cores())
        ]
        time.sleep(max(start - time.perf_counter(), 0))
        used = time.process_time()
        speed = sum(thread.result() for thread in threads)
    used = time.process_time() - used
    print(json.dumps({"images_per_second": round(speed, 2), "cpu_seconds": round(used, 3)}))


if __name__ == "__main__":
    main(Task(**json.loads(sys.argv[1])))
