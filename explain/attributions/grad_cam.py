"""Grad-CAM, with the package grad-cam."""

from typing import Any

import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor

from explain.attributions.patches import as_float
from zoo.networks.network import Network

LAYER = "last_stage"
"""Module whose output Grad-CAM weights: the last convolutions, before the head's batch normalisation and ReLU. After
these, Grad-CAM of a network with average pooling would just be the positive part of the class activation map."""


class _GridCam(GradCAM):  # type: ignore[misc]
    """Grad-CAM on the layer's own grid, without upsampling to the input size."""

    def get_target_width_height(self, input_tensor: Tensor) -> Any:
        return None


def grad_cam(network: Network, pixels: Tensor, classes: Tensor) -> Tensor:
    """Grad-CAM of `LAYER`: the positive part of the features' sum, weighted by the mean gradients of the class logit.

    R. Selvaraju et al., *Grad-CAM: Visual Explanations from Deep Networks* (ICCV 2017).

    Arguments:
        network: network in evaluation mode.
        pixels: images, [N, 3, H, W].
        classes: class indices, [N].

    Returns:
        Maps [N, h, w], scaled by the package to 0..1 for each image.
    """
    with torch.enable_grad(), _GridCam(network, [getattr(network, LAYER)]) as cam:
        maps = cam(as_float(pixels), [ClassifierOutputTarget(label) for label in classes.tolist()])
    network.zero_grad(set_to_none=True)
    return torch.from_numpy(maps).to(pixels.device)
