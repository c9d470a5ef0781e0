"""Networks by name: created with random weights."""

import importlib
from zoo.network import Network
from zoo.preprocess import CIFAR10_NORMALIZATION, Normalization
from zoo.registry import AssignmentName, info


def create(
    name: str,
    *,
    num_classes: int = 10,
    assignment: AssignmentName = "softmax",
    normalization: Normalization = CIFAR10_NORMALIZATION,
) -> Network:
    variant = info(name)
    module, _, function = variant.builder.partition(":")
    return getattr(importlib.import_module(module), function)(variant, num_classes, assignment, normalization)
