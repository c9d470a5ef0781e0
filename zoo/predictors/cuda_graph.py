"""Inference in fixed buffers: nothing is allocated, and CUDA replays a captured graph."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoo.images.preprocess import Pixels
from zoo.outputs import INPUT, Output
from zoo.predictors import Prediction, predict_in_parts

SIZES = (1, 2, 4, 8, 16, 32, 48, 64, 96, 128, 192, 256, 512, 1024)
"""Batch sizes with buffers and a graph of their own; other batches are padded to the next larger size."""

SIZES_WITHOUT_GRAPHS = (64,)
"""A single size, since without graphs each change of size plans every convolution anew."""

_ALIGNMENT = 256
"""Outputs begin at multiples of this, in bytes, as separately allocated ones do."""


class _Slice(NamedTuple):
    """Place of an output in the common buffer."""

    output: Output
    start: int
    """First byte."""
    shape: tuple[int, ...]

    @property
    def stop(self) -> int:
        return self.start + int(np.prod(self.shape)) * np.dtype(self.output.dtype).itemsize

    def of(self, read: NDArray[np.uint8]) -> NDArray[Any]:
        """The output in a copy of the buffer."""
        return read[self.start : self.stop].view(self.output.dtype).reshape(self.shape)


class _Buffers(NamedTuple):
    """Buffers and binding of one batch size."""

    pixels: Pixels
    """Pixels on the host, [N, 3, S, S]; rows beyond the batch are left over from the previous one."""
    image: Any
    """The same pixels on the device."""
    results: Any
    """All outputs on the device, as bytes: they are read with a single copy."""
    slices: tuple[_Slice, ...]
    binding: Any
    options: Any


class CudaGraphRunner:
    """Runs batches of any size through a session; only in the thread that made it.

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
        self.sizes = sizes
        self._session = session
        self._declared = declared
        self._side = side
        self._device = device
        self._buffers: dict[int, _Buffers] = {}

    def __call__(self, pixels: Pixels) -> Prediction:
        """The prediction for pixels [N, 3, S, S]."""
        return predict_in_parts(self._run, pixels, self.sizes[-1])

    def sizes_for(self, count: int) -> tuple[int, ...]:
        """Sizes of the batches of up to this many images."""
        return tuple(size for index, size in enumerate(self.sizes) if not index or self.sizes[index - 1] < count)

    def _run(self, pixels: Pixels) -> Prediction:
        count = len(pixels)
        size = self.sizes_for(count)[-1]
        buffers = self._buffers.get(size) or self._bind(size)
        if count < size:
            buffers.pixels[:count] = pixels
            pixels = buffers.pixels
        buffers.image.update_inplace(np.ascontiguousarray(pixels))
        self._session.run_with_iobinding(buffers.binding, buffers.options)
        read = buffers.results.numpy()
        if self._device == "cpu":
            # There it is the buffer itself, which the next batch overwrites.
            read = read.copy()
        return Prediction(self._declared, [place.of(read)[:count] for place in buffers.slices])

    def _bind(self, size: int) -> _Buffers:
        import onnxruntime

        pixels = np.zeros((size, 3, self._side, self._side), np.uint8)
        image = onnxruntime.OrtValue.ortvalue_from_numpy(pixels, self._device, 0)
        binding = self._session.io_binding()
        binding.bind_ortvalue_input(INPUT, image)
        slices = self._layout(size)
        results = onnxruntime.OrtValue.ortvalue_from_shape_and_type([slices[-1].stop], np.uint8, self._device, 0)
        for output, start, shape in slices:
            binding.bind_output(output.name, self._device, 0, output.dtype, list(shape), results.data_ptr() + start)
        options = onnxruntime.RunOptions()
        # Without its own id, a graph would be confused with that of another size.
        options.add_run_config_entry("gpu_graph_id", str(size))
        self._buffers[size] = _Buffers(pixels, image, results, slices, binding, options)
        return self._buffers[size]

    def _layout(self, size: int) -> tuple[_Slice, ...]:
        shapes = {output.name: (size, *output.shape[1:]) for output in self._session.get_outputs()}
        slices: list[_Slice] = []
        for output in self._declared:
            start = -(-slices[-1].stop // _ALIGNMENT) * _ALIGNMENT if slices else 0
            slices.append(_Slice(output, start, shapes[output.name]))
        return tuple(slices)
