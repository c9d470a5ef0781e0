"""What predictors of ONNX files on a CPU share, whichever engine computes: identity, checks and division of batches."""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from zoo.errors import DigestError, PackageError
from zoo.files import sha256
from zoo.hub import reference_of
from zoo.images.preprocess import Pixels
from zoo.machine import cores, processor
from zoo.package import CONFIG_FILE, PARITY_FILE, ModelConfig, Package
from zoo.package.timings import Serving
from zoo.predictors import Prediction, check_pixels
from zoo.predictors.forks import notify_after_fork
from zoo.predictors.onnx_session import OnnxFile
from zoo.runtime import ENGINE_NAMES, EXECUTIONS, Execution, Precision, Runtime

ThreadShare = Callable[[int], AbstractContextManager[int]]
"""Context of a computation that could use this many threads; yields the number of threads that it may use."""


class FilePredictor(ABC):
    """Predictor for an ONNX file, with the identity in its metadata.

    Arguments:
        file: ONNX file written by `zoo export`.
        declared: its declarations.
        execution: engine and precision.
        threads: total number of CPU threads.
        runtime: settings in effect, with the actual number of streams.
        tuned: whether the settings were given, rather than the defaults.
        share: shares the CPU threads with other computations on this machine.
    """

    on_cuda = False
    """Whether it computes on a GPU."""

    def __init__(
        self,
        file: Path,
        declared: OnnxFile,
        execution: Execution,
        threads: int,
        runtime: Runtime,
        tuned: bool,
        share: ThreadShare,
    ) -> None:
        self.declared, self.execution, self.runtime, self.tuned = declared, execution, runtime, tuned
        self.config: ModelConfig = declared.config
        self.precision: Precision = declared.precision
        """Precision of the file."""
        self.onnx_sha256 = sha256(file)
        """Digest of the file."""
        self._file, self._threads, self._share = file, threads, share
        notify_after_fork(self)

    @property
    def device(self) -> str:
        return f"{ENGINE_NAMES[EXECUTIONS[self.execution].engine]} on {'CUDA' if self.on_cuda else 'the CPU'}"

    @property
    def processor(self) -> str:
        """Model name of what computes."""
        return processor()

    @property
    def captures(self) -> bool:
        """Whether it computes by captured graphs, as on CUDA where the file allows it."""
        return False

    def warm_up(self, count: int) -> None:
        """Compute noise in batches of up to `count` images, so that no later batch waits for lazy initialisation."""
        size = self.config.input_size
        for images in dict.fromkeys(self._warm_up_sizes(count)):
            self(np.zeros((images, 3, size, size), np.uint8))

    def _warm_up_sizes(self, count: int) -> tuple[int, ...]:
        """Batch sizes to compute in `warm_up`."""
        return 1, count

    def __call__(self, pixels: Pixels) -> Prediction:
        check_pixels(pixels, self.config)
        with self._share(self._threads) as threads:
            return self._compute(pixels, threads)

    @abstractmethod
    def after_fork(self) -> None:
        """Discard what has threads, which are the parent's."""

    @abstractmethod
    def _compute(self, pixels: Pixels, threads: int) -> Prediction:
        """The prediction, computed with this many threads."""

    def _divide(self, pixels: Pixels, threads: int) -> tuple[list[Pixels], int]:
        """Parts of a batch, and the number of streams on which to compute them with this many threads."""
        if len(pixels) == 1:
            return [pixels], 1
        # With other computations running, threads that wait for each other would wait long: each has its own parts.
        streams = self.runtime.streams if threads >= self._threads else min(threads, len(pixels))
        parts = list(_split(pixels, replace(self.runtime, streams=streams).parts(len(pixels), threads)))
        return parts, min(streams, len(parts))


def require_onnx(package: Package, precision: Precision) -> Path:
    """Path of the ONNX file of a model directory.

    Raises:
        PackageError: there is none; names the command that creates it.
    """
    file = package.onnx(precision)
    if file is None:
        option = "" if precision == "fp32" else f" --precision {precision}"
        command = f"zoo export {reference_of(package)}{option}"
        raise PackageError(
            f"{package.path} has no ONNX file in {precision}; create one with `{command}`, which needs PyTorch: "
            "pip install 'template-zoo[export]'"
        )
    return file


def checked_file(package: Package, execution: Execution, require_verified: bool = True) -> Path:
    """Path of the ONNX file for an execution, with its digest checked.

    Arguments:
        package: the model directory.
        execution: engine and precision.
        require_verified: whether to refuse a file with another digest than in `parity.json`.

    Raises:
        PackageError: there is no such file.
        DigestError: its digest differs from that in `parity.json`.
    """
    file = require_onnx(package, EXECUTIONS[execution].file)
    verified = package.verified_sha256(execution) if require_verified else None
    if verified is not None and verified != (digest := sha256(file)):
        raise DigestError(
            f"{file} has SHA-256 {digest}, but {PARITY_FILE} was written for {verified}; the file is damaged or "
            "was replaced: fetch it again, or verify the new one (zoo verify)"
        )
    return file


def tuned_runtime(package: Package, execution: Execution, threads: int) -> Runtime | None:
    """Settings in `serving.json`, if they were measured for this execution on a machine like this one.

    Arguments:
        package: the model directory.
        execution: engine and precision.
        threads: number of threads; 0 for one per core.
    """
    serving = Serving.read(package)
    if serving.execution != execution:
        return None
    digest = sha256(require_onnx(package, EXECUTIONS[execution].file))
    return serving.runtime if serving.fits(digest, threads or cores()) else None


def require_own(predictor: FilePredictor, package: Package, execution: Execution, file: Path) -> None:
    """Check that a predictor's file is the one that its name and the model directory say.

    Raises:
        PackageError: it has another precision, or was exported from other weights.
    """
    if predictor.precision != (named := EXECUTIONS[execution].file):
        raise PackageError(f"{file} has precision {predictor.precision}, not {named} as in its name; export it again")
    own, expected = asdict(predictor.config), asdict(package.config)
    if own != expected:
        differing = ", ".join(name for name in own if own[name] != expected[name])
        raise PackageError(
            f"{file} was not exported from this model directory: it differs from {CONFIG_FILE} in {differing}; "
            "export it again"
        )


def _split(pixels: Pixels, count: int) -> Iterator[Pixels]:
    """Split pixels into parts of nearly equal size."""
    bounds = [len(pixels) * index // count for index in range(count + 1)]
    return (pixels[start:stop] for start, stop in itertools.pairwise(bounds))
