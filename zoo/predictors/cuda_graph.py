"""Inference in fixed buffers: nothing is allocated, and CUDA replays a captured graph."""

import threading
from typing import Any, NamedTuple

import numpy as np

from zoo.images.preprocess import Pixels
from zoo.outputs import INPUT, Output
from zoo.predictors import Prediction

SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
"""Batch sizes with buffers and a graph of their own; other batches are padded to the next larger size."""


class _Buffers(NamedTuple):
    """Buffers and binding of one batch size."""

    pixels: Pixels
    """Pixels on the host, [N, 3, S, S]; rows beyond the batch are left over from the previous one."""
    image: Any
    """The same pixels on the device."""
    outputs: dict[str, Any]
    binding: Any
    options: Any


class CudaGraphRunner:
    """Runs batches of any size through a session, one at a time.

    A captured graph (`enable_cuda_graph`) reads and writes the addresses that it was captured with, and its shapes are
    fixed: hence one set of buffers and one graph per batch size, created on first use.

    Arguments:
        session: an `onnxruntime.InferenceSession` of a model.
        declared: outputs declared in its file.
        side: height and width of its input in pixels.
        device: device of the buffers, `cuda` or `cpu`.
        sizes: batch sizes, ascending.
    """

    def __init__(
        self,
        session: Any,
        declared: tuple[Output, ...],
        side: int,
        device: str = "cuda",
        sizes: tuple[int, ...] = SIZES,
    ) -> None:
        self._session = session
        self._declared = declared
        self._side = side
        self._device = device
        self._sizes = sizes
        self._buffers: dict[int, _Buffers] = {}
        self._lock = threading.Lock()

    def __call__(self, pixels: Pixels) -> Prediction:
        """The prediction for pixels [N, 3, S, S]."""
        most = self._sizes[-1]
        parts = [self._run(pixels[start : start + most]) for start in range(0, len(pixels), most)]
        return parts[0] if len(parts) == 1 else Prediction.join(parts)

    def _run(self, pixels: Pixels) -> Prediction:
        count = len(pixels)
        size = next(size for size in self._sizes if size >= count)
        with self._lock:
            buffers = self._buffers.get(size) or self._bind(size)
            buffers.pixels[:count] = pixels
            buffers.image.update_inplace(buffers.pixels)
            self._session.run_with_iobinding(buffers.binding, buffers.options)
            # Copies: the next batch overwrites the buffers.
            arrays = [np.array(buffers.outputs[output.name].numpy()[:count]) for output in self._declared]
        return Prediction(self._declared, arrays)

    def _bind(self, size: int) -> _Buffers:
        import onnxruntime

        pixels = np.zeros((size, 3, self._side, self._side), np.uint8)
        image = onnxruntime.OrtValue.ortvalue_from_numpy(pixels, self._device, 0)
        binding = self._session.io_binding()
        binding.bind_ortvalue_input(INPUT, image)
        shapes = {output.name: [size, *output.shape[1:]] for output in self._session.get_outputs()}
        outputs = {}
        for output in self._declared:
            value = onnxruntime.OrtValue.ortvalue_from_shape_and_type(
                shapes[output.name], output.dtype, self._device, 0
            )
            outputs[output.name] = value
            binding.bind_ortvalue_output(output.name, value)
        options = onnxruntime.RunOptions()
        # Without its own id, a graph would be confused with that of another size.
        options.add_run_config_entry("gpu_graph_id", str(size))
        self._buffers[size] = _Buffers(pixels, image, outputs, binding, options)
        return self._buffers[size]
