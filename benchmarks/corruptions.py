"""Accuracy on corrupted images: plain networks, networks with only the auxiliary loss, and with the block.

    python benchmarks/corruptions.py --data FOLDER [--images N] [--seed N] [--out FILE]

Five corruptions at three severities, of the kinds of D. Hendrycks and T. Dietterich, *Benchmarking Neural Network
Robustness to Common Corruptions and Perturbations* (ICLR 2019), with strengths of our own. All networks see the same
corrupted images of the test split. Raw results are written to benchmarks/results/corruptions.json; `make docs` writes
the table of docs/variants.md from it. Intervals are over images: there is one trained network per variant.
"""

import argparse
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as transforms

from explain.stats import mean_estimate
from reproduction.plan import FAMILIES
from training.data.data_set import data_set_name
from training.data.images import LabelledImages
from training.data.model_split import ModelData
from zoo.files import write_json
from zoo.hub import open_model
from zoo.predictors.torch import TorchPredictor

RESULTS = Path(__file__).parent / "results" / "corruptions.json"
CLEAN = "none"

Corruption = Callable[[Tensor, float, torch.Generator], Tensor]
"""Function from pixels [N, 3, S, S] in 0..1, a strength and a generator to pixels, clamped later."""


def gaussian_noise(pixels: Tensor, deviation: float, generator: torch.Generator) -> Tensor:
    """Noise with a standard deviation, in 0..1."""
    return pixels + deviation * torch.randn(pixels.shape, generator=generator)


def blur(pixels: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Gaussian blur whose standard deviation is a share of the side."""
    sigma = share * pixels.shape[-1]
    return transforms.gaussian_blur(pixels, [2 * max(round(3 * sigma), 1) + 1] * 2, [sigma] * 2)


def contrast(pixels: Tensor, factor: float, generator: torch.Generator) -> Tensor:
    """Differences from the mean grey, times a factor."""
    return transforms.adjust_contrast(pixels, factor)


def brightness(pixels: Tensor, shift: float, generator: torch.Generator) -> Tensor:
    """A constant added to every pixel, in 0..1."""
    return pixels + shift


def pixelate(pixels: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Fewer pixels, a share of the side, enlarged again."""
    side = pixels.shape[-1]
    return F.interpolate(F.interpolate(pixels, max(round(share * side), 1), mode="area"), side, mode="nearest-exact")


CORRUPTIONS: Mapping[str, tuple[Corruption, tuple[float, float, float]]] = MappingProxyType(
    {
        "gaussian noise": (gaussian_noise, (0.04, 0.08, 0.12)),
        "blur": (blur, (0.015, 0.03, 0.045)),
        "contrast": (contrast, (0.6, 0.4, 0.2)),
        "brightness": (brightness, (0.1, 0.2, 0.3)),
        "pixelate": (pixelate, (0.75, 0.6, 0.45)),
    }
)
"""Corruptions by name, with their strengths at severities 1 to 3."""


def corrupt(images: Tensor, name: str, severity: int, seed: int) -> Tensor:
    """Corrupt uint8 images [N, 3, S, S] with a corruption of `CORRUPTIONS` at severity 1 to 3."""
    corruption, strengths = CORRUPTIONS[name]
    pixels = corruption(images.float() / 255, strengths[severity - 1], torch.Generator().manual_seed(seed))
    return (255 * pixels.clamp(0, 1)).round().to(torch.uint8)


def conditions(images: LabelledImages, seed: int) -> dict[str, LabelledImages]:
    """Images by condition: `none`, and `NAME:SEVERITY` for every corruption."""
    made = {CLEAN: images}
    for name in CORRUPTIONS:
        for severity in (1, 2, 3):
            changed = corrupt(images.images, name, severity, seed)
            made[f"{name}:{severity}"] = LabelledImages(changed, images.labels, images.classes)
    return made


def measure(variant: str, source: str, count: int, seed: int) -> dict[str, NDArray[np.float64]]:
    """Whether each test image is classified correctly, [N], by condition."""
    package = open_model(f"{variant}.{data_set_name(source)}")
    predict = TorchPredictor.open(package)
    images = ModelData(package, source).load("test", count)
    return {
        condition: np.concatenate(
            [predict(pixels).logits.argmax(axis=1) == labels for pixels, labels in changed.batches()]
        ).astype(np.float64)
        for condition, changed in conditions(images, seed).items()
    }


def report(correct: Mapping[str, Mapping[str, NDArray[np.float64]]], seed: int) -> dict[str, Any]:
    """Accuracies in percent and paired differences in percentage points, from the correct answers by variant.

    `mean`: over all corruptions and severities; each image counts by its share of correct answers.
    """
    means = {
        variant: 100 * np.mean([right for condition, right in found.items() if condition != CLEAN], axis=0)
        for variant, found in correct.items()
    }
    models = {
        variant: {
            "accuracy": {condition: 100 * float(right.mean()) for condition, right in found.items()},
            "clean": mean_estimate(100 * found[CLEAN], seed)._asdict(),
            "mean": mean_estimate(means[variant], seed)._asdict(),
        }
        for variant, found in correct.items()
    }
    differences = {
        ours: {other: mean_estimate(means[ours] - means[other], seed)._asdict() for other in (plain, aux)}
        for plain, aux, ours in FAMILIES
        if {plain, aux, ours} <= correct.keys()
    }
    return {"models": models, "differences": differences}


def main() -> None:
    parser = argparse.ArgumentParser(description="Accuracy on corrupted images.")
    parser.add_argument("--data", default="cifar10", help="data set, as for zoo eval")
    parser.add_argument("--images", type=int, default=1000, help="number of test images")
    parser.add_argument("--seed", type=int, default=0, help="seed of the noise and of the resamples")
    parser.add_argument("--out", type=Path, default=RESULTS, help="file for the raw results")
    arguments = parser.parse_args()
    run = partial(measure, source=arguments.data, count=arguments.images, seed=arguments.seed)
    console, correct = Console(), {}
    for variant in (variant for family in FAMILIES for variant in family):
        correct[variant] = run(variant)
        found = np.mean([right.mean() for condition, right in correct[variant].items() if condition != CLEAN])
        console.print(f"{variant}: {100 * correct[variant][CLEAN].mean():.2f}% clean, {100 * found:.2f}% corrupted")
    images = len(correct[FAMILIES[0][0]][CLEAN])
    about = {"data": data_set_name(arguments.data), "split": "test", "images": images, "seed": arguments.seed}
    strengths = {name: list(values) for name, (_, values) in CORRUPTIONS.items()}
    write_json(arguments.out, about | {"strengths": strengths} | report(correct, arguments.seed))


if __name__ == "__main__":
    main()
