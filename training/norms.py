"""Batch normalisation over the images of all processes, so that several train exactly like a single one."""

from typing import Any

import torch
import torch.distributed
from torch import Tensor, nn


class SharedBatchNorm2d(nn.BatchNorm2d):
    """`BatchNorm2d` over the batches of all processes, on any device; the batches must be of equal size.

    PyTorch's `SyncBatchNorm` works only on GPUs.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalise this process's part [N, C, h, w] of the batch."""
        if not self.training:
            return super().forward(x)
        values = x.float()
        mean = _mean_over_processes(values.mean(dim=(0, 2, 3)))
        centred = values - mean[:, None, None]
        variance = _mean_over_processes(centred.square().mean(dim=(0, 2, 3)))
        self._track(mean.detach(), variance.detach(), x.numel() // x.shape[1] * torch.distributed.get_world_size())
        scale = self.weight * (variance + self.eps).rsqrt()
        return torch.addcmul(self.bias[:, None, None], centred, scale[:, None, None]).to(x.dtype)

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor, count: int) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.momentum is not None
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * count / (count - 1), self.momentum)
        self.num_batches_tracked.add_(1)  # type: ignore[union-attr]


def share_batch_norms(network: nn.Module, device: torch.device) -> None:
    """Make the batch normalisations of a network use the images of all processes, in place."""
    for module in network.modules():
        for name, child in list(module.named_children()):
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, _shared(child, device))


def _shared(norm: nn.BatchNorm2d, device: torch.device) -> nn.Module:
    if device.type == "cuda":
        synced: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(norm)  # type: ignore[no-untyped-call]
        return synced
    norm.__class__ = SharedBatchNorm2d  # same weights and buffers, different forward
    return norm


def _mean_over_processes(value: Tensor) -> Tensor:
    mean: Tensor = _Mean.apply(value)
    return mean


class _Mean(torch.autograd.Function):
    """Mean of the processes' values; the gradient of each value is the mean of the results' gradients."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        total = value.clone()
        torch.distributed.all_reduce(total)
        return total / torch.distributed.get_world_size()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _Mean.forward(ctx, gradient.contiguous())
