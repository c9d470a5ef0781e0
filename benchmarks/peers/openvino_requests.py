"""Inference of an ONNX file with OpenVINO: a batch as one request, or split into several."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from peers.turns import fastest

from zoo.images.preprocess import Pixels
from zoo.predictors.openvino import openvino_core

PARTS = (1, 4, 16)
"""Sizes of requests to try if they divide a batch of at least `LEAST_BATCH`."""
LEAST_BATCH = 8


def build_openvino(
    file: Path, pixels: Pixels, threads: int, precision: str
) -> tuple[Callable[[Pixels], list[Any]], str]:
    """Find the fastest setting for a batch.

    Arguments:
        file: the ONNX file.
        pixels: a batch; the network is compiled for its shape, OpenVINO's best case.
        threads: total number of threads.
        precision: `f32` or `bf16`.

    Returns:
        A function from pixels to arrays, in the order of the file's outputs, and the name of the setting.
    """
    options = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": threads}
    ways = {"one request": one_request(file, len(pixels), options)}
    if len(pixels) >= LEAST_BATCH:
        for part in PARTS:
            if part < len(pixels) and len(pixels) % part == 0:
                ways[f"requests of {part}"] = many_requests(file, part, options)
    best = fastest({name: partial(call, pixels) for name, call in ways.items()})
    return ways[best], best


def one_request(file: Path, batch: int, options: dict[str, Any]) -> Callable[[Pixels], list[Any]]:
    """The whole batch at once, compiled for latency."""
    request = _compile(file, batch, options | {"PERFORMANCE_HINT": "LATENCY"}).create_infer_request()

    def call(pixels: Pixels) -> list[Any]:
        return list(request.infer([pixels], share_inputs=True, share_outputs=True).values())

    return call


def many_requests(file: Path, part: int, options: dict[str, Any]) -> Callable[[Pixels], list[Any]]:
    """Parts of the batch concurrently, compiled for throughput."""
    from openvino import AsyncInferQueue

    compiled = _compile(file, part, options | {"PERFORMANCE_HINT": "THROUGHPUT"})
    queue = AsyncInferQueue(compiled)  # with OpenVINO's choice of the number of requests
    shapes = [list(output.shape)[1:] for output in compiled.outputs]

    def call(pixels: Pixels) -> list[Any]:
        arrays = [np.empty([len(pixels), *shape], dtype=np.float32) for shape in shapes]

        def keep(request: Any, start: int) -> None:
            for index, array in enumerate(arrays):
                array[start : start + part] = request.get_output_tensor(index).data

        queue.set_callback(keep)
        for start in range(0, len(pixels), part):
            queue.start_async({0: pixels[start : start + part]}, start, share_inputs=True)
        queue.wait_all()
        return arrays

    return call


def _compile(file: Path, batch: int, options: dict[str, Any]) -> Any:
    core = openvino_core()
    model = core.read_model(file)
    [image] = model.inputs
    model.reshape([batch, *(dimension.get_length() for dimension in list(image.partial_shape)[1:])])
    return core.compile_model(model, "CPU", options)
