"""Attribution methods: the importance of each patch for a class, all with one signature."""

import zlib
from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor

from explain.attributions.grad_cam import grad_cam
from explain.attributions.head import head_parts
from explain.attributions.occlusion import occlusion
from explain.attributions.patches import select_class
from zoo.errors import InputError
from zoo.networks.network import Network
from zoo.registry import SemanticSource

Attribution = Callable[[Network, Tensor, Tensor], Tensor]
"""Function from a network in evaluation mode, pixels [N, 3, H, W] and class indices [N] to importances [N, h, w].

Larger values are more important; values are comparable only within an image.
"""

SEMANTIC_MAP, PATCH_SOFTMAX = "semantic map", "patch softmax"


@torch.inference_mode()
def semantic_map(network: Network, pixels: Tensor, classes: Tensor) -> Tensor:
    """Share of the class in each patch.

    Raises:
        InputError: the variant has no semantic block.
    """
    assignment = network.semantics(pixels).assignment
    if assignment is None:
        raise InputError("the network has no semantic block, and thus no semantic map; choose a variant with a block")
    return select_class(assignment, classes)


@torch.inference_mode()
def patch_logits(network: Network, pixels: Tensor, classes: Tensor) -> Tensor:
    """Similarity of each patch to the class's template."""
    return select_class(network.semantics(pixels).patch_logits, classes)


@torch.inference_mode()
def patch_softmax(network: Network, pixels: Tensor, classes: Tensor) -> Tensor:
    """Softmax of the patch logits: what the semantic map would be without the block; a control."""
    return select_class(network.semantics(pixels).patch_logits.softmax(dim=1), classes)


@torch.inference_mode()
def class_activation_map(network: Network, pixels: Tensor, classes: Tensor) -> Tensor:
    """Contribution of each location to the class logit; see `explain.attributions.head`."""
    return select_class(head_parts(network, pixels).parts, classes)


@torch.inference_mode()
def random_values(network: Network, pixels: Tensor, classes: Tensor) -> Tensor:
    """Random values as a baseline, deterministic for each image."""
    shape = network.semantics(pixels[:1]).patch_logits.shape[2:]
    seeds = [zlib.crc32(image.cpu().numpy().tobytes()) for image in pixels]
    return torch.stack([torch.rand(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds]).to(
        pixels.device
    )


ATTRIBUTIONS: Mapping[str, Attribution] = MappingProxyType(
    {
        SEMANTIC_MAP: semantic_map,
        PATCH_SOFTMAX: patch_softmax,
        "patch logits": patch_logits,
        "class activation map": class_activation_map,
        "Grad-CAM": grad_cam,
        "occlusion": occlusion,
        "random": random_values,
    }
)


def attributions_for(source: SemanticSource) -> dict[str, Attribution]:
    """Methods available for a variant, given the source of its patch logits."""
    lacking = {
        "semantic block": {PATCH_SOFTMAX},
        "auxiliary head": {SEMANTIC_MAP},
        "class activation map": {SEMANTIC_MAP, PATCH_SOFTMAX, "patch logits"},
    }[source]
    return {name: method for name, method in ATTRIBUTIONS.items() if name not in lacking}
