"""Grad-CAM, by the package grad-cam."""

from typing import Any

import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor

from explain.attributions.patches import as_float
from zoo.networks.network import Network

LAYER = "last_stage"
"""The module whose output Grad-CAM weighs: the last convolutions, before the head's batch normalisation and ReLU. After
these, for a head that averages, Grad-CAM is the positive part of the class activation map, and nothing new."""


class _GridCam(GradCAM):  # type: ignore[misc]
    """Grad-CAM on the layer's own grid, not scaled up to the pixels."""

    def get_target_width_height(self, input_tensor: Tensor) -> Any:
        return None


def grad_cam(network: Network, pixels: Tensor, classes: Tensor) -> Tensor:
    """Grad-CAM of `LAYER`: the features' positive sum, weighted by the mean gradients of the class logit.

    R. Selvaraju et al., *Grad-CAM: Visual Explanations from Deep Networks* (ICCV 2017).

    Arguments:
        network: in evaluation mode.
        pixels: [N, 3, H, W].
        classes: class indices [N].

    Returns:
        [N, h, w], each image's from 0 to 1, as the package scales them.
    """
    with torch.enable_grad(), _GridCam(network, [getattr(network, LAYER)]) as cam:
        maps = cam(as_float(pixels), [ClassifierOutputTarget(label) for label in classes.tolist()])
    network.zero_grad(set_to_none=True)
    return torch.from_numpy(maps).to(pixels.device)
