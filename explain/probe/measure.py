"""Probing of the semantic block: how predictions change when its assignment is replaced.

The rest of the network runs with another assignment than the block's own (`zoo.package.probe.Intervention`). If the
predictions stay the same, the network does not use its block, whatever the block's maps look like.

With several templates per class, assignments are replaced template by template: by another image's, or by a class in
equal parts for each of its templates. The measures of the maps are those of the classes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from explain.probe.diagnostics import between_images, one_class
from explain.probe.models import BlockModel
from explain.stats import Floats, bootstrap
from training.data.images import LabelledImages
from zoo.errors import InputError
from zoo.images.preprocess import Pixels
from zoo.networks.matching import sum_templates
from zoo.outputs import Array
from zoo.package.probe import INTERVENTIONS, Effect, Interval, Intervention, Probe

BATCH = 250


@dataclass(frozen=True, slots=True)
class ProbeSettings:
    """Provenance of a probe."""

    data: str
    split: str
    seed: int
    digest: str
    """SHA-256 of the weights or of the ONNX file."""


def probe_block(
    model: BlockModel,
    images: LabelledImages,
    settings: ProbeSettings,
    *,
    shares_sum_to_1: bool = True,
    progress: Callable[[int], None] = lambda done: None,
) -> Probe:
    """Run a model with each of the replaced assignments.

    Arguments:
        model: model to probe.
        images: images of the split.
        settings: provenance of model and images.
        shares_sum_to_1: whether the assignment is a distribution; if not (`bn_relu`), interventions set a class to the
            mean of its positive values instead of 1.
        progress: called with the number of forward passes done, `PASSES` per image in total.

    Raises:
        InputError: there is only one image, or the model makes no errors.
    """
    count = len(images.labels)
    if count < 2:
        raise InputError(f"images = {count}: must be at least 2, to swap their assignments; use more images")
    labels = images.labels.numpy()
    done, logits, own = 0, [], []
    for pixels, _ in _batches(images):
        batch_logits, assignment = model(pixels)
        logits.append(batch_logits.argmax(axis=1))
        own.append(assignment)
        progress(done := done + len(pixels))
    predicted, shares = np.concatenate(logits), np.concatenate(own)
    classes = len(images.classes)
    by_class = sum_templates(torch.from_numpy(shares), (shares.shape[1] - 1) // classes).numpy()
    class_values = np.ones(classes, np.float32) if shares_sum_to_1 else _mean_positive(by_class[:, :-1])
    generator = np.random.default_rng(settings.seed)
    wrong = (labels + generator.integers(1, classes, size=count)) % classes
    order = generator.permutation(count)
    others = np.empty_like(order)
    others[order] = np.roll(order, 1)
    mean = shares.mean(axis=0, keepdims=True, dtype=np.float64).mean(axis=(2, 3), keepdims=True).astype(np.float32)
    replaced: dict[Intervention, Callable[[slice], Array]] = {
        "silenced": lambda part: _no_match(shares[part]),
        "mean": lambda part: np.broadcast_to(mean, shares[part].shape).copy(),
        "swapped": lambda part: shares[others[part]],
        "true class": lambda part: _one_class_assignment(labels[part], class_values, shares[part]),
        "wrong class": lambda part: _one_class_assignment(wrong[part], class_values, shares[part]),
    }
    after: dict[Intervention, NDArray[np.int64]] = {}
    for name in INTERVENTIONS:
        found = []
        for pixels, part in _batches(images):
            found.append(model(pixels, replaced[name](part))[0].argmax(axis=1))
            progress(done := done + len(pixels))
        after[name] = np.concatenate(found)
    effects, errors_removed = _effects(predicted, after, labels, settings.seed)
    none = shares[:, -1]
    return Probe(
        data=settings.data,
        split=settings.split,
        images=count,
        seed=settings.seed,
        digest=settings.digest,
        accuracy=round(100 * float((predicted == labels).mean()), 4),
        effects=effects,
        errors_removed=errors_removed,
        none={
            "lowest": round(float(none.min()), 4),
            "median": round(float(np.median(none)), 4),
            "mean": round(float(none.mean(dtype=np.float64)), 4),
            "highest": round(float(none.max()), 4),
        },
        between_images=between_images(by_class),
        one_class=round(100 * float(one_class(by_class).mean()), 4),
    )


PASSES = 1 + len(INTERVENTIONS)
"""Number of forward passes per image."""


def _batches(images: LabelledImages) -> Iterator[tuple[Pixels, slice]]:
    for start in range(0, len(images.labels), BATCH):
        part = slice(start, start + BATCH)
        yield images.images[part].numpy(), part


def _no_match(like: Array) -> Array:
    """Assignment [N, K + 1, h, w] with nothing but `none`."""
    made = np.zeros(like.shape, np.float32)
    made[:, -1] = 1
    return made


def _one_class_assignment(chosen: NDArray[np.int64], values: Array, like: Array) -> Array:
    """Assignment [N, C * M + 1, h, w] that is 0 except for one class per image, in all patches.

    Arguments:
        chosen: class of each image, [N].
        values: share of each class where it is chosen, [C], in equal parts for its M templates.
        like: assignment of this shape.
    """
    made = np.zeros(like.shape, np.float32)
    templates = (like.shape[1] - 1) // len(values)
    by_class = made[:, :-1].reshape(len(like), len(values), templates, *like.shape[2:])
    by_class[np.arange(len(chosen)), chosen] = values[chosen][:, None, None, None] / templates
    made[:, :-1] = by_class.reshape(made[:, :-1].shape)
    return made


def _mean_positive(shares: Array) -> Array:
    """Mean of the positive values of each class, [C]."""
    positive = (shares > 0).sum(axis=(0, 2, 3))
    mean = shares.sum(axis=(0, 2, 3), dtype=np.float64) / np.maximum(positive, 1)
    return mean.astype(np.float32)


def _effects(
    predicted: NDArray[np.int64],
    after: dict[Intervention, NDArray[np.int64]],
    labels: NDArray[np.int64],
    seed: int,
) -> tuple[dict[Intervention, Effect], Interval]:
    """Effect of each intervention, and the percentage of errors removed by setting the true class."""
    right = predicted == labels
    if right.all():
        raise InputError(f"all {len(labels)} images are classified correctly; a probe needs errors, use more images")
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
            estimates[index].rounded(),
            estimates[index + len(after)].rounded(),
        )
        for index, name in enumerate(after)
    }
    return effects, errors_removed.rounded()
