"""A network as inference needs it: equal answers, with the batch normalisation folded into the convolutions."""

import copy

from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from export.align import align_channels
from export.folded_block import FoldedBlock
from zoo.networks.blocks import SemanticBlock
from zoo.networks.network import Network
from zoo.networks.residual import PreActivationBlock


class FoldedNetwork(nn.Module):
    """A network that answers with a plain tuple, in the order of `zoo.predictors.OUTPUTS`; made by `fold`."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """What the network sees in pixels [N, 3, H, W], uint8 in 0..255.

        Returns:
            Class logits [N, C], patch logits [N, C, h, w] and, from variants with the semantic block, the assignment
            [N, C + 1, h, w], `none` last; all in single precision.
        """
        return tuple(output.float() for output in self.network.semantics(pixels)[:3] if output is not None)


def fold(network: Network) -> FoldedNetwork:
    """The equivalent of a network for inference, on the CPU; the network itself stays as it is.

    Batch normalisation goes where its only input is one convolution; after a sum, a concatenation or a pooling it
    stays. Average pooling moves before the 1x1 convolution it follows. The semantic block becomes a `FoldedBlock`. The
    channels of dense networks are aligned (`export.align`).

    Raises:
        InputError: the network's head was replaced, and its templates were not.
    """
    network.require_one_number_of_classes()
    network = copy.deepcopy(network).cpu().eval().requires_grad_(False)
    for name, module in list(network.named_modules()):
        if type(module) is nn.Sequential:
            network.set_submodule(name, nn.Sequential(*_fold_layers(module)))
    _fold_stem(network)
    if isinstance(network.block, SemanticBlock):
        network.set_submodule("block", FoldedBlock(network.block))
    align_channels(network)
    return FoldedNetwork(network).eval()


def _fold_layers(layers: nn.Sequential) -> list[nn.Module]:
    folded: list[nn.Module] = []
    for layer in layers:
        previous = folded[-1] if folded else None
        if isinstance(layer, nn.BatchNorm2d) and isinstance(previous, nn.Conv2d):
            folded[-1] = fuse_conv_bn_eval(previous, layer)
        elif isinstance(layer, nn.AvgPool2d) and isinstance(previous, nn.Conv2d) and _is_pointwise(previous):
            # A mean over places commutes with a mixture of channels, which costs less on the smaller grid.
            folded[-1:] = [layer, previous]
        else:
            folded.append(layer)
    return folded


def _is_pointwise(conv: nn.Conv2d) -> bool:
    return conv.kernel_size == conv.stride == (1, 1) and conv.padding == (0, 0)


def _fold_stem(network: Network) -> None:
    """Fold the first normalisation of a residual network into the stem, unless a shortcut reads the stem as well."""
    first = network.stages
    while isinstance(first, nn.Sequential):
        first = first[0]
    if isinstance(network.stem, nn.Conv2d) and isinstance(first, PreActivationBlock) and first.shortcut is not None:
        network.stem = fuse_conv_bn_eval(network.stem, first.norm)
        first.set_submodule("norm", nn.Identity())
