"""Is the semantic block used? What the answers become when its assignment is replaced.

The rest of the network is asked with another assignment in place of the block's own
(`zoo.package.probe.Intervention`). If the answers stay, the network computes them without its block, whatever the
block's maps look like.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from explain.stats import Estimate, Floats, bootstrap
from explain.tapping import class_vectors, tap
from training.data.images import LabelledImages
from zoo.errors import InputError
from zoo.images.preprocess import Pixels
from zoo.networks.load import create
from zoo.networks.network import Network
from zoo.package import Package
from zoo.package.metrics import own_metrics
from zoo.package.probe import INTERVENTIONS, Effect, Interval, Intervention, Probe
from zoo.predictors import Array

BATCH = 250
STRENGTH_IMAGES = 1000
"""Images on which the strength of the mixture is measured."""


class Answers(Protocol):
    """A model whose assignment can be replaced."""

    def __call__(self, pixels: Pixels, assignment: Array | None = None) -> tuple[Array, Array]:
        """Class logits [N, C] and assignment [N, C + 1, h, w] of pixels [N, 3, S, S].

        Arguments:
            pixels: the images.
            assignment: what the patches are re-embedded with; None for the block's own.
        """


@dataclass(frozen=True, slots=True)
class TorchAnswers:
    """A network with a semantic block, in evaluation mode."""

    network: Network

    @torch.inference_mode()
    def __call__(self, pixels: Pixels, assignment: Array | None = None) -> tuple[Array, Array]:
        device = next(self.network.parameters()).device
        given = None if assignment is None else torch.from_numpy(assignment).to(device)
        semantics = self.network.semantics(torch.from_numpy(pixels).to(device), given)
        assert semantics.assignment is not None
        return semantics.logits.cpu().numpy(), semantics.assignment.cpu().numpy()


@dataclass(frozen=True, slots=True)
class Origin:
    """What was probed, and on what."""

    data: str
    split: str
    seed: int
    digest: str
    """SHA-256 of what answers."""


def probe(
    answers: Answers,
    images: LabelledImages,
    origin: Origin,
    *,
    shares_sum_to_1: bool = True,
    progress: Callable[[int], None] = lambda done: None,
) -> Probe:
    """Ask a model with every replaced assignment.

    Arguments:
        answers: the model.
        images: the split.
        origin: what they are.
        shares_sum_to_1: whether the assignment is a distribution; of one that is not (`bn_relu`), a class that is told
            gets the mean of its positive values.
        progress: called with the number of forward passes over an image that are done, of `PASSES` each.

    Raises:
        InputError: there is one image only, or the model makes no error that could go.
    """
    count = len(images.labels)
    if count < 2:
        raise InputError("one image cannot be swapped with another; probe on more images")
    labels = images.labels.numpy()
    done, logits, own = 0, [], []
    for pixels, _ in _batches(images):
        batch_logits, assignment = answers(pixels)
        logits.append(batch_logits.argmax(axis=1))
        own.append(assignment)
        progress(done := done + len(pixels))
    predicted, shares = np.concatenate(logits), np.concatenate(own)
    classes = shares.shape[1] - 1
    told = np.ones(classes, np.float32) if shares_sum_to_1 else _mean_positive(shares[:, :-1])
    generator = np.random.default_rng(origin.seed)
    wrong = (labels + generator.integers(1, classes, size=count)) % classes
    order = generator.permutation(count)
    others = np.empty_like(order)
    others[order] = np.roll(order, 1)
    mean = shares.mean(axis=0, keepdims=True, dtype=np.float64).mean(axis=(2, 3), keepdims=True).astype(np.float32)
    replaced: dict[Intervention, Callable[[slice], Array]] = {
        "silenced": lambda part: _only(np.full(len(labels[part]), classes), np.ones(classes + 1, np.float32), shares),
        "mean": lambda part: np.broadcast_to(mean, shares[part].shape).copy(),
        "swapped": lambda part: shares[others[part]],
        "true class": lambda part: _only(labels[part], told, shares),
        "wrong class": lambda part: _only(wrong[part], told, shares),
    }
    after: dict[Intervention, NDArray[np.int64]] = {}
    for name in INTERVENTIONS:
        found = []
        for pixels, part in _batches(images):
            found.append(answers(pixels, replaced[name](part))[0].argmax(axis=1))
            progress(done := done + len(pixels))
        after[name] = np.concatenate(found)
    effects, errors_removed = _effects(predicted, after, labels, origin.seed)
    none = shares[:, -1]
    return Probe(
        data=origin.data,
        split=origin.split,
        images=count,
        seed=origin.seed,
        digest=origin.digest,
        accuracy=round(100 * float((predicted == labels).mean()), 4),
        effects=effects,
        errors_removed=errors_removed,
        none={
            "lowest": round(float(none.min()), 4),
            "median": round(float(np.median(none)), 4),
            "mean": round(float(none.mean(dtype=np.float64)), 4),
            "highest": round(float(none.max()), 4),
        },
        between_images=_between_images(shares),
        one_class=round(100 * float(_one_class(shares).mean()), 4),
    )


PASSES = 1 + len(INTERVENTIONS)
"""Forward passes over each image."""


def strength(network: Network, images: LabelledImages) -> float:
    """Standard deviation of the mixture over that of the features that enter the block, on some of the images."""
    spaces = tap(network, images.images[:STRENGTH_IMAGES].numpy()).spaces
    return round(float(spaces["mixture"].std(dtype=np.float64) / spaces["before"].std(dtype=np.float64)), 4)


def cosine_to_start(package: Package, network: Network) -> float | None:
    """Cosine of the class vectors with those that the training started from; None if that did not start at random."""
    training = own_metrics(package).training
    if training is None or training.recipe.get("start_from") or "seed" not in training.recipe:
        return None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.recipe["seed"])
        config = package.config
        start = create(config.variant, num_classes=len(config.classes), assignment=config.assignment)
    before, now = class_vectors(start), class_vectors(network)
    assert before is not None
    assert now is not None
    return round(
        float(F.cosine_similarity(torch.from_numpy(before).flatten(), torch.from_numpy(now).flatten(), dim=0)), 4
    )


def _batches(images: LabelledImages) -> Iterator[tuple[Pixels, slice]]:
    for start in range(0, len(images.labels), BATCH):
        part = slice(start, start + BATCH)
        yield images.images[part].numpy(), part


def _only(classes: NDArray[np.int64], values: Array, like: Array) -> Array:
    """An assignment [N, C + 1, h, w] that is 0 but for one class an image, at every patch."""
    made = np.zeros((len(classes), *like.shape[1:]), np.float32)
    made[np.arange(len(classes)), classes] = values[classes][:, None, None]
    return made


def _mean_positive(shares: Array) -> Array:
    """The mean of each class's positive values: [C]."""
    positive = (shares > 0).sum(axis=(0, 2, 3))
    mean = shares.sum(axis=(0, 2, 3), dtype=np.float64) / np.maximum(positive, 1)
    return mean.astype(np.float32)


def _effects(
    predicted: NDArray[np.int64],
    after: dict[Intervention, NDArray[np.int64]],
    labels: NDArray[np.int64],
    seed: int,
) -> tuple[dict[Intervention, Effect], Interval]:
    """What each intervention does, and the percentage of errors that go when the true class is told."""
    right = predicted == labels
    if right.all():
        raise InputError(f"all {len(labels)} images are classified right, so that no error can go; probe on others")
    columns = [(after[name] == labels).astype(np.float64) - right for name in after]
    columns += [(after[name] != predicted).astype(np.float64) for name in after]
    gained = list(after).index("true class")
    numbers = np.stack([*columns, (~right).astype(np.float64)], axis=1)

    def statistic(counts: Floats) -> Floats:
        sums = counts @ numbers
        return 100 * np.array([*sums[:-1] / counts.sum(), sums[gained] / max(sums[-1], 1)])

    *estimates, errors_removed = bootstrap(statistic, len(labels), seed)
    effects = {
        name: Effect(
            round(100 * float((after[name] == labels).mean()), 4),
            _rounded(estimates[index]),
            _rounded(estimates[index + len(after)]),
        )
        for index, name in enumerate(after)
    }
    return effects, _rounded(errors_removed)


def _rounded(estimate: Estimate) -> Interval:
    value, low, high = (round(number, 4) for number in estimate)
    return value, low, high


def _between_images(shares: Array) -> float:
    """Share of the variance of the assignment that lies between images, summed over the classes."""
    classes = shares[:, :-1]
    of_images = classes.mean(axis=(2, 3), dtype=np.float64)
    total = classes.var(axis=(0, 2, 3), dtype=np.float64).sum()
    return round(float(of_images.var(axis=0).sum() / total), 4) if total else 1.0


def _one_class(shares: Array) -> NDArray[np.bool_]:
    """Which images have the same strongest class, `none` aside, at every patch: [N]."""
    strongest = shares[:, :-1].argmax(axis=1).reshape(len(shares), -1)
    return (strongest == strongest[:, :1]).all(axis=1)
