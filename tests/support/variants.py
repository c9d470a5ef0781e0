"""Variants for tests that build networks."""

from zoo.registry import info, list_models

CONTROLS = ("wrn16-aux-encoded", "wrn16-conv", "rn26-softmax")
"""Variants that only tests and experiments use."""


def _one_of_each() -> tuple[str, ...]:
    found = {(info(name).builder, info(name).mechanism): name for name in reversed(list_models())}
    return tuple(reversed(found.values()))


STRUCTURES = _one_of_each()
"""The smallest variant of each structure: the others have more blocks of the same kind."""

REMAINING_NORMS = {
    # One before each residual block, whose input is a sum, and the head's; the first is folded into the stem.
    "zoo.networks.resnet:build": lambda blocks: 4 * blocks,
    "zoo.networks.resnet:build_wide": lambda blocks: 4 * blocks,
    # All of the usual residual blocks follow a convolution.
    "zoo.networks.three_stage:build": lambda blocks: 0,
    # The first is folded into the stem only where a convolution is on its shortcut.
    "zoo.networks.three_stage:build_wide_1": lambda blocks: 3 * blocks + 1,
    "zoo.networks.three_stage:build_wide_2": lambda blocks: 3 * blocks,
    # One before each dense layer and each of two transitions, whose input is a concatenation, and the head's.
    "zoo.networks.densenet:build": lambda blocks: 4 * blocks + 3,
}
"""Number of batch normalisations that stay in an ONNX file, from the number of blocks, by builder."""
