"""Inputs of the batch normalisations of a network, at sampled locations of images."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.data.images import LabelledImages
from zoo.networks.network import Network


@dataclass(frozen=True, slots=True)
class LayerResponses:
    """Input of one BN-ReLU: responses x of K templates, normalised to scale * x + shift."""

    name: str
    """Name of the normalisation in the network."""
    after_3x3: bool
    """Whether it is between a 3x3 and a 1x1 convolution, the block that the paper considers."""
    scale: NDArray[np.float64]
    """[K]"""
    shift: NDArray[np.float64]
    """[K]"""
    responses: NDArray[np.float32]
    """[N, L, K] at L locations of each of N images."""

    @property
    def inputs(self) -> NDArray[np.float64]:
        """Input of the normalisation, [N, L, K]."""
        return self.responses.astype(np.float64)

    @property
    def normalised(self) -> NDArray[np.float64]:
        """Output of the normalisation, [N, L, K]; the ReLU passes values above 0."""
        return self.scale * self.responses + self.shift


def sample_responses(network: Network, images: LabelledImages, locations: int, seed: int) -> list[LayerResponses]:
    """Sample the input of every BN-ReLU, in the order of the network.

    Every batch normalisation in the zoo's networks is followed by a ReLU.

    Arguments:
        network: network in evaluation mode.
        images: N images.
        locations: L, drawn separately for each layer and batch, without replacement; fewer if the grid has fewer.
        seed: seed of the locations.
    """
    norms = {name: module for name, module in network.named_modules() if isinstance(module, nn.BatchNorm2d)}
    seen: dict[str, list[NDArray[np.float32]]] = {name: [] for name in norms}
    generator = np.random.default_rng(seed)

    def keep(name: str, x: Tensor) -> None:
        flat = x.flatten(2)
        chosen = generator.permutation(flat.shape[2])[:locations]
        seen[name].append(flat[:, :, torch.from_numpy(chosen).to(x.device)].transpose(1, 2).float().cpu().numpy())

    device = network.device
    with _watching(norms, keep), torch.inference_mode():
        for pixels, _ in images.batches():
            network(torch.from_numpy(pixels).to(device))
    return [
        LayerResponses(name, _after_3x3(network, name), *_affine(norm), np.concatenate(seen[name]))
        for name, norm in norms.items()
    ]


@contextmanager
def _watching(norms: dict[str, nn.BatchNorm2d], keep: Any) -> Iterator[None]:
    """Call `keep(name, input)` whenever a normalisation runs."""

    def watch(name: str) -> Any:
        return lambda module, inputs: keep(name, inputs[0])

    handles = [norm.register_forward_pre_hook(watch(name)) for name, norm in norms.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _affine(norm: nn.BatchNorm2d) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scale and shift of a normalisation in evaluation mode."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight.detach().double() / (norm.running_var.double() + norm.eps).sqrt()
    shift = norm.bias.detach().double() - scale * norm.running_mean.double()
    return scale.cpu().numpy(), shift.cpu().numpy()


def _after_3x3(network: Network, name: str) -> bool:
    """Whether a normalisation is in the middle of 3x3-BN-ReLU-1x1."""
    parent, _, place = name.rpartition(".")
    body = network.get_submodule(parent)
    if not isinstance(body, nn.Sequential) or not place.isdecimal() or int(place) == 0:
        return False
    around = body[int(place) - 1], body[min(int(place) + 2, len(body) - 1)]
    kernels = [layer.kernel_size for layer in around if isinstance(layer, nn.Conv2d)]
    return kernels == [(3, 3), (1, 1)]
