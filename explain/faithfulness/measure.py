"""Faithfulness of a model's attributions: insertion and deletion curves, and the pointing game."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from explain.attributions import SEMANTIC_MAP, Attribution, attributions_for
from explain.faithfulness.curves import STEPS, CurveAreas, curve_areas, prepare_curves
from explain.pointing import QUADRANTS, PointingScores, build_mosaics, pointing_scores, require_divisible
from explain.stats import Estimate, mean_estimate, proportion_estimate
from training.data.images import LabelledImages
from zoo.networks.network import Network
from zoo.registry import SemanticSource

BATCH = 32
"""Batch size."""

CURVE_RESAMPLES = 10_000
"""More resamples than in reports, since verdicts depend on whether an interval excludes 0."""

Values = dict[str, NDArray[np.float32]]
"""Values of a method by measure: those of `CurveAreas` per image, mass and hit per mosaic."""


@dataclass(frozen=True, slots=True)
class MeasurementProtocol:
    """Settings of a measurement."""

    images: int
    seed: int
    mosaics: int
    """Maximum number of mosaics, which consist of correctly classified images."""
    steps: int = STEPS
    version: int = 2
    """Version of the measures: since 2, ties are broken at random, and every curve has two replacements."""


def measure_faithfulness(
    network: Network,
    source: SemanticSource,
    images: LabelledImages,
    protocol: MeasurementProtocol,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> dict[str, Any]:
    """Measure all attribution methods available for a network.

    Arguments:
        network: network in evaluation mode.
        source: source of the network's patch logits.
        images: images of a held-out split, already sampled according to the protocol.
        protocol: settings.
        progress: called with the current step, the number of images or mosaics done, and their total.

    Returns:
        `images`, `mosaics` and `correct`: counts; `image_size`, `mosaic_size`: sides in pixels; `grid`: rows and
        columns of the patch grid; `methods`: mean and interval by method and measure; `differences`: mean paired
        difference of the semantic map to each other method, by method and measure, empty without a block. If there are
        no correctly classified images of four classes, there are no mosaics, and only the curves are measured.

    Raises:
        InputError: the model has at least four classes, and the image size is not a multiple of 4.
    """
    if len(images.classes) >= QUADRANTS:
        require_divisible(images.size)
    methods = attributions_for(source)
    values, correct, grid = _curves(network, methods, images, protocol, progress)
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
        "methods": {name: _estimates(own, proportions=True) for name, own in values.items()},
        "differences": {
            name: _estimates({measure: ours[measure] - own[measure] for measure in own} if ours else {})
            for name, own in others.items()
        },
    }


def is_same_measurement(
    record: Mapping[str, Any], identity: Mapping[str, str], data: str, split: str, protocol: MeasurementProtocol
) -> bool:
    """Whether a model's record has these weights, data and settings."""
    return all(record.get(key) == value for key, value in measurement_key(identity, data, split, protocol).items())


def measurement_key(
    identity: Mapping[str, str], data: str, split: str, protocol: MeasurementProtocol
) -> dict[str, Any]:
    """Part of a record that identifies the measurement."""
    return {"model": dict(identity), "data": data, "split": split, "protocol": asdict(protocol)}


def _curves(
    network: Network,
    methods: Mapping[str, Attribution],
    images: LabelledImages,
    protocol: MeasurementProtocol,
    progress: Callable[[str, int, int], None],
) -> tuple[dict[str, Values], Tensor, list[int]]:
    """Areas by method, a mask [N] of the correctly classified images, and the rows and columns of the patch grid."""
    device = network.device
    found: dict[str, list[CurveAreas]] = {name: [] for name in methods}
    correct, grid = [], [0, 0]
    generator = torch.Generator().manual_seed(protocol.seed)
    for pixels, labels in zip(torch.split(images.images, BATCH), torch.split(images.labels, BATCH), strict=True):
        pixels = pixels.to(device)
        grid = grid if all(grid) else list(_grid(network, pixels))
        batch = prepare_curves(network, pixels, grid, generator)
        for name, method in methods.items():
            found[name].append(
                curve_areas(network, batch, method(network, batch.pixels, batch.classes), protocol.steps)
            )
        correct.append(batch.classes.cpu() == labels)
        progress("curves", sum(map(len, correct)), len(images.labels))
    values = {
        name: {
            measure: torch.cat([getattr(part, measure) for part in parts]).cpu().numpy()
            for measure in CurveAreas._fields
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
    device = network.device
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


def _estimates(values: Mapping[str, NDArray[np.float32]], proportions: bool = False) -> dict[str, dict[str, float]]:
    """Means by measure, rounded, since further digits are below the intervals' width.

    Arguments:
        values: values per image or mosaic by measure.
        proportions: whether hits are 0 or 1, and not differences between methods.
    """
    found: dict[str, Estimate] = {}
    for measure, own in values.items():
        if proportions and measure == "hit":
            found[measure] = proportion_estimate(own > 0, 0, CURVE_RESAMPLES)
        else:
            found[measure] = mean_estimate(own, 0, CURVE_RESAMPLES)
    return {
        measure: {key: round(number, 5) for key, number in estimate._asdict().items()}
        for measure, estimate in found.items()
    }
