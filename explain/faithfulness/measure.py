"""How faithful a model's attributions are: insertion and deletion curves and the pointing game."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from explain.attributions import SEMANTIC_MAP, Attribution, attributions_for
from explain.faithfulness.curves import STEPS, CurveAreas, curve_areas, prepare_curves
from explain.faithfulness.pointing import QUADRANTS, PointingScores, build_mosaics, pointing_scores, require_divisible
from explain.stats import mean_estimate
from training.data.images import LabelledImages
from zoo.networks.network import Network
from zoo.registry import SemanticSource

BATCH = 32
"""Images computed together."""

RESAMPLES = 10_000
"""More than the reports draw: the verdicts ask on which side of 0 an interval ends."""

Values = dict[str, NDArray[np.float32]]
"""A method's values by measure: deletion and insertion for each image, mass and hit for each mosaic."""


@dataclass(frozen=True, slots=True)
class MeasurementProtocol:
    """The settings of a measurement."""

    images: int
    seed: int
    mosaics: int
    """Most mosaics; they consist of images that the model classifies correctly."""
    steps: int = STEPS


def measure_faithfulness(
    network: Network,
    source: SemanticSource,
    images: LabelledImages,
    protocol: MeasurementProtocol,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> dict[str, Any]:
    """Measure every attribution that a network has.

    Arguments:
        network: in evaluation mode.
        source: where its patch logits come from.
        images: of a split that was not trained on, already as many as the protocol says.
        protocol: the settings.
        progress: called with what is measured, how much of it is done, and how much there is.

    Returns:
        `images`, `mosaics` and `correct`: how many; `image_size`, `mosaic_size`: sides in pixels; `grid`: rows and
        columns of an image's patches; `methods`: by method and measure the mean with its interval; `differences`: by
        other method and measure the semantic map's value less the other's, image by image; empty without the block.
        Without correctly classified images of four classes there are no mosaics, and only the curves are measured.

    Raises:
        InputError: the model has four classes, and the image size is no multiple of 4.
    """
    if len(images.classes) >= QUADRANTS:
        require_divisible(images.size)
    methods = attributions_for(source)
    values, correct, grid = _curves(network, methods, images, protocol.steps, progress)
    count = 0
    if len(set(images.labels[correct].tolist())) >= QUADRANTS:
        mosaics = build_mosaics(images.images[correct], images.labels[correct], protocol.mosaics, protocol.seed)
        pointed = _pointing(network, methods, mosaics.pixels, mosaics.classes, mosaics.quadrants, progress)
        values, count = {name: values[name] | pointed[name] for name in methods}, len(mosaics.classes)
    ours = values.get(SEMANTIC_MAP)
    others = {} if ours is None else {name: own for name, own in values.items() if name != SEMANTIC_MAP}
    return {
        "images": len(images.labels),
        "correct": int(correct.sum()),
        "mosaics": count,
        "image_size": images.size,
        "mosaic_size": 2 * images.size,
        "grid": grid,
        "methods": {name: _estimates(own) for name, own in values.items()},
        "differences": {
            name: _estimates({measure: ours[measure] - own[measure] for measure in own} if ours else {})
            for name, own in others.items()
        },
    }


def is_same_measurement(
    record: Mapping[str, Any], identity: Mapping[str, str], data: str, split: str, protocol: MeasurementProtocol
) -> bool:
    """Whether a model's record was made with these weights, data and settings."""
    return all(record.get(key) == value for key, value in measurement_key(identity, data, split, protocol).items())


def measurement_key(
    identity: Mapping[str, str], data: str, split: str, protocol: MeasurementProtocol
) -> dict[str, Any]:
    """The part of a record that says how it was measured."""
    return {"model": dict(identity), "data": data, "split": split, "protocol": asdict(protocol)}


def _curves(
    network: Network,
    methods: Mapping[str, Attribution],
    images: LabelledImages,
    steps: int,
    progress: Callable[[str, int, int], None],
) -> tuple[dict[str, Values], Tensor, list[int]]:
    """Areas by method, which images are classified correctly [N], and the patch grid's rows and columns."""
    device = network.classifier.weight.device
    found: dict[str, list[CurveAreas]] = {name: [] for name in methods}
    correct, grid = [], [0, 0]
    for pixels, labels in zip(torch.split(images.images, BATCH), torch.split(images.labels, BATCH), strict=True):
        pixels = pixels.to(device)
        grid = grid if all(grid) else list(_grid(network, pixels))
        batch = prepare_curves(network, pixels, grid[0])
        for name, method in methods.items():
            found[name].append(curve_areas(network, batch, method(network, batch.pixels, batch.classes), steps))
        correct.append(batch.classes.cpu() == labels)
        progress("curves", sum(map(len, correct)), len(images.labels))
    values = {
        name: {
            "deletion": torch.cat([part.deletion for part in parts]).cpu().numpy(),
            "insertion": torch.cat([part.insertion for part in parts]).cpu().numpy(),
        }
        for name, parts in found.items()
    }
    return values, torch.cat(correct), grid


def _pointing(
    network: Network,
    methods: Mapping[str, Attribution],
    pixels: Tensor,
    classes: Tensor,
    quadrants: Tensor,
    progress: Callable[[str, int, int], None],
) -> dict[str, Values]:
    device = network.classifier.weight.device
    found: dict[str, list[PointingScores]] = {name: [] for name in methods}
    part_size = BATCH // 4
    parts = zip(*(torch.split(tensor.to(device), part_size) for tensor in (pixels, classes, quadrants)), strict=True)
    for done, (some, labels, where) in enumerate(parts, start=1):
        for name, method in methods.items():
            found[name].append(pointing_scores(method(network, some, labels), where))
        progress("mosaics", min(done * part_size, len(pixels)), len(pixels))
    return {
        name: {
            "mass": torch.cat([part.mass for part in parts]).cpu().numpy(),
            "hit": torch.cat([part.hit for part in parts]).cpu().numpy(),
        }
        for name, parts in found.items()
    }


@torch.inference_mode()
def _grid(network: Network, pixels: Tensor) -> torch.Size:
    return network.semantics(pixels[:1]).patch_logits.shape[2:]


def _estimates(values: Mapping[str, NDArray[np.float32]]) -> dict[str, dict[str, float]]:
    """Means by measure, rounded: more digits than the interval's width are noise."""
    return {
        name: {key: round(number, 5) for key, number in mean_estimate(own, 0, RESAMPLES)._asdict().items()}
        for name, own in values.items()
    }
