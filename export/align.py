"""Padding of dense networks to whole SIMD vectors, with the same outputs.

On the CPU, ONNX Runtime stores features in blocks of 16 channels (8 without AVX-512), and convolves, normalises and
concatenates whole blocks. Twelve new channels per layer do not fill a block, so that all features would be reordered
before and after each concatenation. Four additional zero channels per layer cost less.
"""

import torch
from torch import Tensor, nn

from export.folded_block import FoldedBlock
from zoo.networks.blocks import AuxiliaryHead
from zoo.networks.densenet import DenseLayer
from zoo.networks.network import Network
from zoo.networks.pooling import SumPooling

BLOCK = 16
"""Single-precision numbers in the widest SIMD vector."""


def align_channels(network: Network) -> Tensor | None:
    """Pad the features of a folded dense network with zeros, so that each layer adds a multiple of `BLOCK` channels.

    Other networks are unchanged: their numbers of channels already are such multiples.

    Returns:
        Indices [D] of the embedding's entries in the padded one; None if the network is unchanged.
    """
    if not any(isinstance(module, DenseLayer) for module in network.modules()):
        return None
    used = _align_layers(nn.Sequential(network.stem, network.stages))
    used = _align_block(network.block, used)
    used = _align_layers(nn.Sequential(network.last_stage, network.norm), used)
    if isinstance(network.pooling, SumPooling):
        _spread(network.pooling, ("projection",), used, dim=1)
    _spread_inputs(network.classifier, used)
    return used.nonzero().flatten()


def _align_layers(layers: nn.Sequential, used: Tensor | None = None) -> Tensor:
    """Align a sequence of layers.

    Arguments:
        layers: modules that map features [N, P, h, w] to [N, Q, h, w].
        used: mask [P] of the input channels, false for zero padding; None if there is no padding.

    Returns:
        Mask [Q] of the output channels.
    """
    for layer in layers:
        if isinstance(layer, DenseLayer):
            assert used is not None
            used = torch.cat([used, _align_layers(layer.body, used)])
        elif isinstance(layer, nn.Sequential):
            used = _align_layers(layer, used)
        elif isinstance(layer, nn.BatchNorm2d) and used is not None:
            _spread(layer, ("weight", "bias", "running_mean", "running_var"), used)
        elif isinstance(layer, nn.Conv2d):
            if used is not None:
                _spread_inputs(layer, used)
            used = _align_outputs(layer)
    assert used is not None
    return used


def _align_block(block: nn.Module, used: Tensor) -> Tensor:
    if isinstance(block, AuxiliaryHead):
        _spread_inputs(block.keys, used)
    if not isinstance(block, FoldedBlock):
        return used
    _spread(block.depthwise, ("weight",), used)
    block.depthwise.in_channels = block.depthwise.out_channels = block.depthwise.groups = len(used)
    _spread_inputs(block.keys, used)
    if block.concat:
        return torch.cat([used, _align_outputs(block.values)])
    _spread(block.values, ("weight",), used)
    block.values.out_channels = len(used)
    return used


def _align_outputs(conv: nn.Conv2d) -> Tensor:
    """Pad a convolution with zero filters; returns the mask of the original ones."""
    used = torch.arange(-(-conv.out_channels // BLOCK) * BLOCK) < conv.out_channels
    _spread(conv, ("weight",) if conv.bias is None else ("weight", "bias"), used)
    conv.out_channels = len(used)
    return used


def _spread_inputs(layer: nn.Conv2d | nn.Linear, used: Tensor) -> None:
    _spread(layer, ("weight",), used, dim=1)
    setattr(layer, "in_features" if isinstance(layer, nn.Linear) else "in_channels", len(used))


def _spread(module: nn.Module, names: tuple[str, ...], used: Tensor, dim: int = 0) -> None:
    """Pad tensors of a module with zeros along `dim`, moving their entries to where `used` is true."""
    for name in names:
        tensor = module.get_parameter(name) if name in module._parameters else module.get_buffer(name)
        shape = list(tensor.shape)
        shape[dim] = len(used)
        tensor.data = tensor.new_zeros(shape).index_copy(dim, used.nonzero().flatten(), tensor.data)
