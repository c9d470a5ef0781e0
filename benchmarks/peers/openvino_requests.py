"""Inference of an ONNX file with OpenVINO: a batch as one request or several, with new arrays or kept ones."""

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

Call = Callable[[Pixels], list[Any]]
"""Pixels to arrays, in the order of the file's outputs."""


def build_openvino(file: Path, pixels: Pixels, threads: int, precision: str) -> tuple[Call, str]:
    """Find the fastest setting for a batch.

    Arguments:
        file: the ONNX file.
        pixels: a batch; the network is compiled for its shape, OpenVINO's best case.
        threads: total number of threads.
        precision: `f32` or `bf16`.

    Returns:
        A function for batches of this shape, whose next call may overwrite its arrays, and the name of the setting.
    """
    ways = openvino_ways(file, pixels, {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": threads})
    best = fastest({name: partial(call, pixels) for name, call in ways.items()})
    return ways[best], best


def openvino_ways(file: Path, pixels: Pixels, options: dict[str, Any]) -> dict[str, Call]:
    """Every setting to try, by name: the batch as one request or split, each with new arrays and with kept ones."""
    whole = _compile(file, len(pixels), options | {"PERFORMANCE_HINT": "LATENCY"})
    ways = {"one request": one_request(whole), "one request, kept arrays": kept_requests(whole, pixels)}
    if len(pixels) >= LEAST_BATCH:
        for part in PARTS:
            if part < len(pixels) and len(pixels) % part == 0:
                compiled = _compile(file, part, options | {"PERFORMANCE_HINT": "THROUGHPUT"})
                ways[f"requests of {part}"] = many_requests(compiled, part)
                ways[f"requests of {part}, kept arrays"] = kept_requests(compiled, pixels, part)
    return ways


def one_request(compiled: Any) -> Call:
    """The whole batch at once, with the pixels as they are and new outputs."""
    request = compiled.create_infer_request()

    def call(pixels: Pixels) -> list[Any]:
        return list(request.infer([pixels], share_inputs=True, share_outputs=True).values())

    return call


def many_requests(compiled: Any, part: int) -> Call:
    """Parts of the batch concurrently, with the pixels as they are and new outputs."""
    from openvino import AsyncInferQueue

    queue = AsyncInferQueue(compiled)  # with OpenVINO's choice of the number of requests

    def call(pixels: Pixels) -> list[Any]:
        arrays = _outputs(compiled, len(pixels))

        def keep(request: Any, start: int) -> None:
            for index, array in enumerate(arrays):
                array[start : start + part] = request.get_output_tensor(index).data

        queue.set_callback(keep)
        for start in range(0, len(pixels), part):
            queue.start_async({0: pixels[start : start + part]}, start, share_inputs=True)
        queue.wait_all()
        return arrays

    return call


def kept_requests(compiled: Any, pixels: Pixels, part: int = 0) -> Call:
    """One request per part, each bound to its part of arrays that are kept from call to call.

    Arguments:
        compiled: the network, compiled for the size of a part.
        pixels: a batch of the size to come.
        part: number of images in a part; 0 for the whole batch, which the caller's thread computes.
    """
    from openvino import Tensor

    inputs, arrays = np.empty_like(pixels), _outputs(compiled, len(pixels))
    requests = []
    for start in range(0, len(pixels), part or len(pixels)):
        own = slice(start, start + (part or len(pixels)))
        request = compiled.create_infer_request()
        request.set_input_tensor(0, Tensor(inputs[own], shared_memory=True))
        for index, array in enumerate(arrays):
            request.set_output_tensor(index, Tensor(array[own], shared_memory=True))
        requests.append(request)

    def call(pixels: Pixels) -> list[Any]:
        inputs[:] = pixels
        if not part:
            requests[0].infer(share_inputs=True, share_outputs=True)
            return arrays
        for request in requests:
            request.start_async(share_inputs=True)
        for request in requests:
            request.wait()
        return arrays

    return call


def _outputs(compiled: Any, images: int) -> list[Any]:
    """New arrays for the outputs of a batch."""
    return [np.empty([images, *list(output.shape)[1:]], dtype=np.float32) for output in compiled.outputs]


def _compile(file: Path, batch: int, options: dict[str, Any]) -> Any:
    core = openvino_core()
    model = core.read_model(file)
    [image] = model.inputs
    model.reshape([batch, *(dimension.get_length() for dimension in list(image.partial_shape)[1:])])
    return core.compile_model(model, "CPU", options)
