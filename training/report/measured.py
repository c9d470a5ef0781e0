"""A model with its answers for the images of a split, and what they say about its classes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.data.images import LabelledImages
from training.data.stream import StreamedImages
from training.evaluate import Answers
from zoo.images.preprocess import Pixels
from zoo.predictors import Prediction
from zoo.printable import printable

WORST = 3
"""Number of classes, and of confusions, that are printed."""


class Confusion(NamedTuple):
    """Images of one class that were taken for another."""

    true: int
    predicted: int
    images: int


@dataclass(frozen=True, slots=True)
class Measured:
    """A model and its answers."""

    title: str
    """Name of the model, for titles."""
    split: str
    images: LabelledImages | StreamedImages
    predict: Callable[[Pixels], Prediction]
    answers: Answers
    history: Sequence[Mapping[str, float]] = ()
    """Metrics of the training by epoch; see `zoo.package.metrics.Training`."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the C classes, safe to print."""
        return tuple(map(printable, self.images.classes))

    @property
    def count(self) -> NDArray[np.int64]:
        """[C], number of images of each class."""
        return np.bincount(self.answers.labels, minlength=len(self.images.classes))

    @property
    def right(self) -> NDArray[np.int64]:
        """[C], number of images of each class whose most probable class is their own."""
        return np.bincount(self.answers.labels[self.answers.right], minlength=len(self.images.classes))

    @property
    def confusions(self) -> list[Confusion]:
        """The pairs of a class and another one that was predicted, the most frequent first."""
        answers, classes = self.answers, len(self.images.classes)
        wrong = ~answers.right
        pairs, counts = np.unique(answers.labels[wrong] * classes + answers.predicted[wrong], return_counts=True)
        order = np.argsort(-counts, kind="stable")
        return [Confusion(*divmod(int(pairs[at]), classes), int(counts[at])) for at in order]

    @property
    def mistakes(self) -> NDArray[np.int64]:
        """Indices of the images whose most probable class is wrong, the most confident mistake first."""
        wrong = np.flatnonzero(~self.answers.right)
        return wrong[np.argsort(-self.answers.probability[wrong], kind="stable")]

    def summary(self) -> tuple[str, ...]:
        """Sentences on the classes with the lowest accuracy and the most frequent confusions; none without mistakes."""
        if not (confusions := self.confusions):
            return ()
        names, count, right = self.classes, self.count, self.right
        seen = np.flatnonzero(count)
        lowest = seen[np.argsort(right[seen] / count[seen], kind="stable")][:WORST].tolist()
        accuracies = (f"{names[at]} {right[at] / count[at]:.1%} of {count[at]:,}" for at in lowest)
        pairs = (
            f"{names[one.true]} as {names[one.predicted]} ({one.images:,} of {count[one.true]:,})"
            for one in confusions[:WORST]
        )
        return f"lowest accuracy: {', '.join(accuracies)}", f"most confused: {', '.join(pairs)}"
