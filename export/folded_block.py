"""Semantic block for ONNX export: convolutions, a softmax and a sum."""

import torch
from torch import Tensor, nn

from zoo.networks.blocks import SemanticBlock, Tap, make_tap
from zoo.networks.matching import SlackSoftmax


class FoldedBlock(nn.Module):
    """`zoo.networks.blocks.SemanticBlock` for inference: maps features [N, d, h, w] to the same tap.

    `none` is an additional template with score 0 and class vector 0, so that nothing is padded or sliced between
    keys and values. Consecutive 1x1 convolutions are merged: the pointwise half of the encoder into the keys, and the
    class vectors, which are constant, into the compression.
    """

    def __init__(self, block: SemanticBlock) -> None:
        super().__init__()
        self.concat = block.compress is not None
        self.templates = block.templates
        self.depthwise = block.encoder.depthwise
        keys = _matrix(block.keys) @ _matrix(block.encoder.pointwise)
        self.keys = _conv(_with_none(keys), _with_none(_bias(block.keys)))
        self.assign = (
            _FoldedSoftmax(block.assign)
            if isinstance(block.assign, SlackSoftmax)
            else _UnfoldedAssignment(block.assign)
        )
        values = block.class_vectors().detach().double()
        if block.compress is not None:
            values = _matrix(block.compress) @ values
        self.values = _conv(_with_none(values.T).T)

    def forward(self, x: Tensor) -> Tap:
        scores = self.keys(self.depthwise(x))
        assignment = self.assign(scores)
        mixture = self.values(assignment)
        features = torch.cat([x, mixture], dim=1) if self.concat else x + mixture
        return make_tap(features, scores[:, :-1], assignment, self.templates)


class _FoldedSoftmax(nn.Module):
    """`SlackSoftmax` of scores [N, K + 1, h, w], the last of which are 0."""

    gamma: Tensor
    beta: Tensor

    def __init__(self, assign: SlackSoftmax) -> None:
        super().__init__()
        self.register_buffer("gamma", _with_none(assign.gamma)[:, None, None])
        self.register_buffer("beta", _with_none(assign.beta, float(assign.none_logit))[:, None, None])

    def forward(self, scores: Tensor) -> Tensor:
        return (scores * self.gamma + self.beta).softmax(dim=1)


class _UnfoldedAssignment(nn.Module):
    """Any other assignment, which adds `none` to the K scores itself."""

    def __init__(self, assign: nn.Module) -> None:
        super().__init__()
        self.assign = assign

    def forward(self, scores: Tensor) -> Tensor:
        return self.assign(scores[:, :-1])


def _matrix(conv: nn.Conv2d) -> Tensor:
    """Weights [out, in] of a 1x1 convolution, in double precision so that products are rounded only once."""
    return conv.weight.detach().flatten(1).double()


def _bias(conv: nn.Conv2d) -> Tensor:
    return torch.zeros(conv.out_channels) if conv.bias is None else conv.bias.detach()


def _with_none(rows: Tensor, none: float = 0) -> Tensor:
    """Rows of the templates, and a row for `none`, filled with a constant."""
    return torch.cat([rows, torch.full_like(rows[:1], none)]).detach()


def _conv(matrix: Tensor, bias: Tensor | None = None) -> nn.Conv2d:
    """1x1 convolution with weights [out, in]."""
    out_channels, in_channels = matrix.shape
    tensors = {"weight": matrix.float()[:, :, None, None]} | ({} if bias is None else {"bias": bias})
    conv = nn.Conv2d(in_channels, out_channels, 1, bias=bias is not None, device="meta")
    conv.load_state_dict(tensors, assign=True)
    return conv.requires_grad_(False)
