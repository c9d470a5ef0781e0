"""A model's answers, for tests of reports on them."""

import numpy as np
import torch

from training.data.images import LabelledImages
from training.evaluate import Answers
from training.report.measured import Measured
from zoo.outputs import STANDARD
from zoo.predictors import Prediction

NAMES = ("cat", "$dog$ <b>", "x\x1b[31m", "犬")


def predict(pixels: np.ndarray) -> Prediction:
    """Knows nothing."""
    count, classes = len(pixels), len(NAMES)
    arrays = [np.zeros((count, classes), np.float32), np.zeros((count, classes, 8, 8), np.float32)]
    return Prediction(STANDARD[:2], arrays)


def measured_of(labels: list[int], predicted: list[int], names: tuple[str, ...] = NAMES) -> Measured:
    """A model that answered so, surer of each image than of the one before."""
    pixels = torch.zeros(len(labels), 3, 32, 32, dtype=torch.uint8)
    images = LabelledImages(pixels, torch.tensor(labels), names)
    probability = np.linspace(0.5, 0.9, len(labels))
    answers = Answers(np.array(labels), np.array(predicted), probability, np.ones(len(labels)), 50.0)
    history = [
        {"epoch": 1.0, "accuracy": 0.5, "loss": 1.0},
        {"epoch": 2.0, "accuracy": 0.6, "loss": 0.9, "validation_accuracy": 0.4, "validation_loss": 1.1},
    ]
    return Measured("wrn16.pets", "test", images, predict, answers, history)
