"""Networks without a head, for use within other networks."""

from collections.abc import Iterable

from torch import Tensor, nn

from zoo.networks.network import Network


class Backbone(nn.Module):
    """A network that returns its features at several depths, as timm's `features_only=True`.

    Arguments:
        network: the network, whose weights are shared.
        out_indices: indices of `network.feature_info`; a number n for the last n; None for all.

    Raises:
        InputError: an index is out of range.
    """

    def __init__(self, network: Network, out_indices: int | Iterable[int] | None = None) -> None:
        super().__init__()
        self.network = network
        self.feature_info = network.feature_info.take(out_indices)
        modules = network.feature_info.module_name()
        self.out_indices = [modules.index(name) for name in self.feature_info.module_name()]

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """Features [N, num_chs, H / reduction, W / reduction] of pixels [N, 3, H, W], as in `feature_info`."""
        return self.network.forward_intermediates(pixels, self.out_indices, intermediates_only=True)
