"""Post-training quantisation to int8: static calibration, with the most sensitive parts kept in single precision."""

import hashlib
import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from zoo.answers import patch_shares, softmax
from zoo.errors import InputError
from zoo.images.preprocess import Pixels
from zoo.machine import cores
from zoo.outputs import INPUT, STANDARD
from zoo.predictors import Prediction
from zoo.predictors.onnx import run_session
from zoo.predictors.onnx_session import open_session
from zoo.runtime import Runtime

CALIBRATION_IMAGES = 512
"""Number of images for calibration; as many others measure the effect of each choice."""

BATCH = 32

OPERATORS = ("Conv", "Relu", "Add", "Concat")
"""Operators computed in int8, except for those near the outputs; see `_output_nodes`."""

MIN_GAIN = 0.1
"""Minimum relative reduction of the drift for which a part is kept in single precision."""

MAX_PART_SHARE = 0.1
"""Maximum share of all multiply-adds in a part that may be kept in single precision."""


@dataclass(frozen=True, slots=True)
class Drift:
    """Deviation from single precision, as mean total variation, 0..1."""

    classes: float
    """Total variation between class probabilities."""
    patches: float
    """Total variation between the class shares of a patch."""

    def gains(self, other: "Drift") -> bool:
        """Whether another drift is smaller by `MIN_GAIN` for classes or patches, and noticeably larger for neither."""
        pairs = (self.classes, other.classes), (self.patches, other.patches)
        better = any(theirs < own * (1 - MIN_GAIN) for own, theirs in pairs)
        return better and all(theirs <= own * (1 + MIN_GAIN / 2) for own, theirs in pairs)


@dataclass(frozen=True, slots=True)
class Quantized:
    """Quantised model, and the measurements that led to it."""

    model: onnx.ModelProto
    images: int
    """Number of images, for calibration and for choosing parts."""
    images_sha256: str
    """Digest of their pixels."""
    drift: Drift
    all_int8: Drift
    """Drift with all parts in int8."""
    tried: Mapping[str, Drift]
    """Drift with a single part in single precision, for each small part."""
    wide: tuple[str, ...]
    """Parts kept in single precision."""

    def record(self) -> dict[str, Any]:
        """Record of the quantisation, as JSON for the file's metadata."""
        return {
            "images": self.images,
            "images_sha256": self.images_sha256,
            "wide": list(self.wide),
            "drift": asdict(self.drift),
            "all_int8": asdict(self.all_int8),
            "tried": {name: asdict(drift) for name, drift in self.tried.items()},
        }


def quantize(model: onnx.ModelProto, pixels: Pixels, progress: Callable[[str], None] = lambda part: None) -> Quantized:
    """Quantise a model to int8, with unsigned activations and signed weights with one scale per channel.

    Arguments:
        model: model in single precision, with normalisations as convolutions.
        pixels: training images [N, 3, S, S], at least 2, used alternately for calibration and for choosing the parts,
            at most `CALIBRATION_IMAGES` for each.
        progress: called with a description of each trial.

    Raises:
        InputError: there are fewer than two images.
    """
    if len(pixels) < 2:
        raise InputError(
            f"calibration images: {len(pixels)}: must be at least 2, and preferably {2 * CALIBRATION_IMAGES}"
        )
    pixels = pixels[: 2 * CALIBRATION_IMAGES]
    digest = hashlib.sha256(pixels.tobytes()).hexdigest()
    with TemporaryDirectory() as folder, _silence():
        trial = _Trial(Path(folder), model, pixels[::2], pixels[1::2])
        progress("all parts in int8")
        all_int8, tried = trial.drift(()), {}
        parts = _parts(model)
        for name in parts:
            progress(f"{name} in single precision")
            tried[name] = trial.drift(parts[name])
        wide = tuple(name for name, drift in tried.items() if all_int8.gains(drift))
        progress(f"{', '.join(wide) or 'nothing'} in single precision")
        drift = trial.drift([node for name in wide for node in parts[name]])
        return Quantized(onnx.load(trial.file), len(pixels), digest, drift, all_int8, tried, wide)


class _Trial:
    """Quantises a model except for some nodes, and measures the drift."""

    def __init__(self, folder: Path, model: onnx.ModelProto, calibration: Pixels, held: Pixels) -> None:
        self._source, self.file = folder / "fp32.onnx", folder / "int8.onnx"
        onnx.save(model, self._source)
        self._calibration, self._held = calibration, held
        given = {output.name for output in model.graph.output}
        self._outputs = tuple(output for output in STANDARD if output.name in given)
        self._expected = self._answers(self._source)
        self._output_nodes = _output_nodes(model)

    def drift(self, wide: Sequence[str]) -> Drift:
        quantize_static(
            self._source,
            self.file,
            _Reader(self._calibration),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=OPERATORS,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=[*self._output_nodes, *wide],
        )
        actual = self._answers(self.file)
        return Drift(*map(_total_variation, self._expected, actual))

    def _answers(self, file: Path) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        session = open_session(file, cores(), Runtime())
        parts = [
            run_session(session, self._outputs, self._held[start : start + BATCH])
            for start in range(0, len(self._held), BATCH)
        ]
        prediction = Prediction.join(parts)
        return softmax(prediction.logits, axis=1), patch_shares(prediction)


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, pixels: Pixels) -> None:
        self._batches = ({INPUT: pixels[start : start + BATCH]} for start in range(0, len(pixels), BATCH))

    def get_next(self) -> Any:
        return next(self._batches, None)


def _output_nodes(model: onnx.ModelProto) -> list[str]:
    """Nodes that compute outputs, or inputs of the softmax: the semantic block after its depthwise convolution, the
    patch logits of other networks, and what generalised sum pooling keeps. Shares in int8 would not sum to 1, and small
    ones would be 0.
    """
    outputs = {output.name for output in model.graph.output}
    pooled: set[str] = set()
    found = []
    for node in model.graph.node:
        if any(name in pooled or name.startswith("network.pooling.") for name in node.input):
            pooled.update(node.output)
        elif not (
            outputs & set(node.output)
            or any(name.startswith("network.block.") and ".depthwise." not in name for name in node.input)
        ):
            continue
        found.append(node.name)
    return found


def _parts(model: onnx.ModelProto) -> dict[str, list[str]]:
    """Names of the convolution nodes of each other small part of a network, by the part's name."""
    answering = set(_output_nodes(model))
    weights = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    sizes = {
        value.name: [dimension.dim_value for dimension in value.type.tensor_type.shape.dim]
        for value in (*model.graph.value_info, *model.graph.output)
    }
    nodes: dict[str, list[str]] = defaultdict(list)
    work: dict[str, int] = defaultdict(int)
    for node in model.graph.node:
        if node.op_type == "Conv" and node.name not in answering:
            _, *path, _ = node.input[1].split(".")
            name = ".".join(path[: 2 if path[0] in ("stages", "block") else 1])
            nodes[name].append(node.name)
            work[name] += prod(weights[node.input[1]]) * prod(sizes[node.output[0]][2:])
    return {name: found for name, found in nodes.items() if work[name] <= MAX_PART_SHARE * sum(work.values())}


def _total_variation(expected: NDArray[np.float32], actual: NDArray[np.float32]) -> float:
    return float(np.abs(expected - actual).sum(axis=1, dtype=np.float64).mean() / 2)


@contextmanager
def _silence() -> Iterator[None]:
    """Context without the quantiser's log messages, which are advice for interactive use."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
