"""A model on CUDA: opened, run and released in the one CUDA thread, whichever thread asks."""

import logging
from pathlib import Path
from weakref import finalize

import numpy as np

from zoo.images.preprocess import Pixels
from zoo.predictors import Prediction
from zoo.predictors.cuda_graph import SIZES, SIZES_WITHOUT_GRAPHS, CudaGraphRunner
from zoo.predictors.cuda_session import CudaOptions, open_on_cuda
from zoo.predictors.cuda_thread import cuda_thread
from zoo.predictors.forks import leak_after_fork
from zoo.predictors.onnx_session import OnnxFile

_SAME = 0.01
"""Largest difference between two replays of a graph, relative to the largest magnitude of an output."""

_log = logging.getLogger(__name__)


class CudaModel:
    """Predictions of an ONNX file on CUDA, for any thread; captures graphs where the file allows it.

    Arguments:
        file: the ONNX file.
        declared: its declarations.
        options: settings of its session.

    Raises:
        DeviceError: it cannot be opened.
    """

    def __init__(self, file: Path, declared: OnnxFile, options: CudaOptions) -> None:
        self._file, self._declared, self._options = file, declared, options
        self.captures = True
        """Whether runs are captured graphs."""
        self._owned: list[CudaGraphRunner] = []
        finalize(self, cuda_thread.discard, self._owned).atexit = False
        cuda_thread.run(self._open)

    def __call__(self, pixels: Pixels) -> Prediction:
        """The prediction for pixels [N, 3, S, S].

        Raises:
            DeviceError: this process was forked from the one that opened the file.
        """
        return cuda_thread.run(self._predict, pixels)

    def warm_up(self, count: int) -> None:
        """Compute a batch of each size that batches of up to `count` images can have, so that no later one waits for
        plans or captures. Other models' batches take turns with them.

        ONNX Runtime does not document whether a graph outlives the plans of other batch sizes: all graphs are replayed
        once more at the end, and if one has changed, the file is opened again without graphs.
        """
        first = self._compute_sizes(count)
        if self.captures and not all(map(_alike, first, self._compute_sizes(count))):
            _log.warning("%s: computed without captured graphs, which is slower: a replay differs", self._file)
            self.captures = False
            cuda_thread.run(self._open)
            self._compute_sizes(count)

    def _compute_sizes(self, count: int) -> list[Prediction]:
        """Predictions for noise in batches of every size, the largest first: smaller ones then share its memory."""
        side, random = self._declared.config.input_size, np.random.default_rng(0)
        sizes = reversed(self._owned[0].sizes_for(count))
        return [self(random.integers(0, 256, (size, 3, side, side), np.uint8)) for size in sizes]

    def _open(self) -> None:
        self._owned.clear()
        session, self.captures = open_on_cuda(self._file, self._declared.precision, self._options, self.captures)
        sizes = SIZES if self.captures else SIZES_WITHOUT_GRAPHS
        runner = CudaGraphRunner(session, self._declared.outputs, self._declared.config.input_size, sizes=sizes)
        leak_after_fork(runner)
        self._owned.append(runner)

    def _predict(self, pixels: Pixels) -> Prediction:
        return self._owned[0](pixels)


def _alike(one: Prediction, other: Prediction) -> bool:
    """Whether two predictions for the same pixels are the same except for rounding."""
    return all(
        np.allclose(other[name], array, rtol=0, atol=_SAME * np.nan_to_num(np.abs(array)).max(), equal_nan=True)
        for name, array in one.items()
        if array.dtype == np.float32
    )
