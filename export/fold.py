"""Networks prepared for inference: equivalent, with batch normalisation folded into convolutions."""

import copy
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from export.align import align_channels
from export.folded_block import FoldedBlock
from zoo.networks.blocks import SemanticBlock
from zoo.networks.network import Network
from zoo.networks.resnet import PreActivationBlock
from zoo.outputs import EMBEDDING, Output

_DTYPES: Mapping[type, torch.dtype] = MappingProxyType({np.float32: torch.float32, np.int64: torch.int64})


class FoldedNetwork(nn.Module):
    """Network that returns its declared outputs as a plain tuple; created by `fold`.

    Arguments:
        network: the folded network.
        outputs: its declarations.
        channels: indices [D] of the embedding's entries in that of `network`, which may be padded; None for all.
    """

    channels: Tensor | None

    def __init__(self, network: Network, outputs: tuple[Output, ...], channels: Tensor | None = None) -> None:
        super().__init__()
        self.network = network
        self.outputs = outputs
        self.register_buffer("channels", channels)

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Declared outputs, in single precision, for pixels [N, 3, H, W], uint8 in 0..255."""
        predicted = self.predict(pixels)
        return tuple(predicted[output.name].to(_DTYPES[output.dtype]) for output in self.outputs)

    def predict(self, pixels: Tensor) -> dict[str, Tensor]:
        """Outputs of the network by name, without padding."""
        predicted = self.network.predict(pixels)
        if self.channels is not None and EMBEDDING.name in predicted:
            predicted[EMBEDDING.name] = predicted[EMBEDDING.name].index_select(1, self.channels)
        return predicted


def fold(network: Network) -> FoldedNetwork:
    """Create an equivalent network for inference, on the CPU; the original is not modified.

    Batch normalisation directly after a convolution is folded into it; after a sum, concatenation or pooling it stays.
    Average pooling moves before the 1x1 convolution that it follows. The semantic block becomes a `FoldedBlock`. The
    channels of dense networks are aligned (`export.align`).

    Raises:
        InputError: the network's head was replaced, but not its templates.
    """
    network.require_consistent_classes()
    outputs = network.outputs
    network = copy.deepcopy(network).cpu().eval().requires_grad_(False)
    for name, module in list(network.named_modules()):
        if type(module) is nn.Sequential:
            network.set_submodule(name, nn.Sequential(*_fold_layers(module)))
    _fold_stem(network)
    if isinstance(network.block, SemanticBlock):
        network.set_submodule("block", FoldedBlock(network.block))
    return FoldedNetwork(network, outputs, align_channels(network)).eval()


def _fold_layers(layers: nn.Sequential) -> list[nn.Module]:
    folded: list[nn.Module] = []
    for layer in layers:
        previous = folded[-1] if folded else None
        if isinstance(layer, nn.BatchNorm2d) and isinstance(previous, nn.Conv2d):
            folded[-1] = fuse_conv_bn_eval(previous, layer)
        elif isinstance(layer, nn.AvgPool2d) and isinstance(previous, nn.Conv2d) and _is_pointwise(previous):
            # Average pooling commutes with a 1x1 convolution, which is cheaper on the smaller grid.
            folded[-1:] = [layer, previous]
        else:
            folded.append(layer)
    return folded


def _is_pointwise(conv: nn.Conv2d) -> bool:
    return conv.kernel_size == conv.stride == (1, 1) and conv.padding == (0, 0)


def _fold_stem(network: Network) -> None:
    """Fold the first normalisation of a residual network into the stem, unless a shortcut also uses the stem."""
    first: nn.Module = network.stages
    while isinstance(first, nn.Sequential):
        first = first[0]
    if isinstance(network.stem, nn.Conv2d) and isinstance(first, PreActivationBlock) and first.shortcut is not None:
        network.stem = fuse_conv_bn_eval(network.stem, first.norm)
        first.set_submodule("norm", nn.Identity())
