"""The exponential moving average of a network's weights."""

from copy import deepcopy

import torch

from zoo.networks.network import Network


class MovingAverage:
    """Exponential moving average of a network's weights and running statistics, on its device.

    Nothing is read back from the device, unlike by PyTorch's `AveragedModel`, so that a CUDA graph can capture it.

    Arguments:
        network: network that is trained; its tensors must stay the same ones.
        decay: weight of the average, per update.
    """

    def __init__(self, network: Network, decay: float) -> None:
        self.network = deepcopy(network)
        """The averaged network."""
        self._decay = decay
        own, current = self.network.state_dict(), network.state_dict()
        # Infinite values, as of a softmax without slack, are constants; their average would not be a number.
        averaged = {name for name, value in own.items() if value.is_floating_point() and bool(value.isfinite().all())}
        self._averages, self._values = ([of[name] for name in own if name in averaged] for of in (own, current))
        self._copies, self._counts = ([of[name] for name in own if name not in averaged] for of in (own, current))

    @torch.no_grad()
    def update(self) -> None:
        """Include the network's current weights; counters are copied."""
        torch._foreach_lerp_(self._averages, self._values, 1 - self._decay)
        torch._foreach_copy_(self._copies, self._counts)

    @torch.no_grad()
    def restart(self) -> None:
        """Set the average to the network's current weights."""
        torch._foreach_copy_(self._averages, self._values)
        torch._foreach_copy_(self._copies, self._counts)
