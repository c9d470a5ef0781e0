"""Pooling of the features of an image's patches: their mean, or a mean that leaves patches out.

Generalised sum pooling (Gürbüz, Sener, Alatan, *Generalized Sum Pooling for Metric Learning*, ICCV 2023, arXiv
2308.09228) transports a part mu of the patches' mass to m prototypes, at the cost c_ij of the distance between
prototype i and patch j. The rest stays behind. With an entropy term of weight 1 / gamma, the share of patch j that is
transported is

    a_j = sigmoid(l_j + nu),   l_j = log sum_i exp(-gamma c_ij),

where nu gives the shares the mean mu (`zoo.networks.mass`), and the pooled features are mean_j (a_j / mu) f_j. Patches
unlike all prototypes are left out; for mu -> 1 all have the weight 1, as in global average pooling.
"""

import logging
import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from zoo.errors import InputError, UnknownNameError
from zoo.networks.mass import kept_shares
from zoo.registry import MAX_POOLING_GAMMA, POOLING_GAMMA, PROTOTYPE_DIMENSIONS, PROTOTYPES, PoolingName

MIN_DISTANCE = 1e-2
"""Distances below are equal to it: the rounding of squared distances would be magnified by the square root."""

_log = logging.getLogger(__name__)


class Pooled(NamedTuple):
    """Pooled features of N images."""

    features: Tensor
    """[N, d], one vector per image."""
    kept: Tensor | None
    """[N, h, w], the share of each patch that was kept, in 0..1; None where all are kept."""


class AveragePooling(nn.Module):
    """Global average pooling: the mean of features [N, d, h, w] over the patches."""

    mean_kept = 1.0
    sharpness = POOLING_GAMMA

    def forward(self, features: Tensor) -> Pooled:
        return Pooled(features.mean(dim=(2, 3)), None)


class SumPooling(nn.Module):
    """Generalised sum pooling of features [N, d, h, w].

    Patches are compared with the prototypes in a space of fewer dimensions, to which a matrix projects them; there,
    vectors longer than 1 are shortened to 1. What is pooled are the features themselves. `mass` and `gamma` are part
    of the state, since they affect the output.

    Arguments:
        channels: d.
        mass: mu, the mean share of the patches that is kept, above 0 and below 1.
        gamma: inverse weight of the entropy; the larger, the more the weights of the patches differ.
    """

    mass: Tensor
    gamma: Tensor

    def __init__(self, channels: int, mass: float, gamma: float = POOLING_GAMMA) -> None:
        super().__init__()
        # Rows of length 1 in the mean; features are longer than that, so that clipping makes up for their scale.
        self.projection = nn.Parameter(torch.randn(PROTOTYPE_DIMENSIONS, channels) / math.sqrt(channels))
        self.prototypes = nn.Parameter(nn.functional.normalize(torch.randn(PROTOTYPES, PROTOTYPE_DIMENSIONS)))
        self.register_buffer("mass", torch.tensor(mass))
        self.register_buffer("gamma", torch.tensor(float(gamma)))

    @property
    def mean_kept(self) -> float:
        """Mean share of the patches that is kept, by the shortest decimal that stands for it."""
        return _shortest(self.mass)

    @property
    def sharpness(self) -> float:
        """gamma, by the shortest decimal that stands for it."""
        return _shortest(self.gamma)

    def forward(self, features: Tensor) -> Pooled:
        kept = match(features, self.projection, self.prototypes, self.mass, self.gamma)
        return Pooled((features * self.weights(kept)).mean(dim=(2, 3)).to(features.dtype), kept)

    def weights(self, kept: Tensor) -> Tensor:
        """Weights [N, 1, h, w] of the patches, with mean 1, from their kept shares [N, h, w]."""
        return (kept / self.mass)[:, None]

    @torch.no_grad()
    def project(self, features: Tensor) -> Tensor:
        """Patches [N * h * w, D] in the space of the prototypes, for features [N, d, h, w]."""
        return _project(features, self.projection).transpose(1, 2).flatten(0, 1)


Pooling = AveragePooling | SumPooling


def make_pooling(name: PoolingName, channels: int, mass: float, gamma: float = POOLING_GAMMA) -> Pooling:
    """The pooling called `name`, for features of `channels` channels.

    Arguments:
        name: `gap` or `gsp`.
        channels: number of channels.
        mass: mean share of the patches that is kept, above 0 and at most 1; at 1, generalised sum pooling is global
            average pooling, which is returned. Not used for `gap`.
        gamma: inverse weight of the entropy, above 0 and at most `MAX_POOLING_GAMMA`. Not used for `gap`.

    Raises:
        UnknownNameError: there is no such pooling.
        InputError: the mass or gamma is out of range.
    """
    if name == "gap":
        return AveragePooling()
    if name != "gsp":
        raise UnknownNameError("pooling", name, ("gap", "gsp"))
    rounded = np.float32(mass)  # the precision of the state
    if not 0 < rounded <= 1:
        raise InputError(f"kept_mass = {mass}: must be above 0 and at most 1")
    if not 0 < np.float32(gamma) <= MAX_POOLING_GAMMA:
        raise InputError(f"pooling_gamma = {gamma}: must be above 0 and at most {MAX_POOLING_GAMMA:g}")
    if rounded == 1:
        _log.warning("kept_mass = 1 keeps every patch: pooling is the global average, gap")
        return AveragePooling()
    return SumPooling(channels, mass, gamma)


def pooling_name(pooling: nn.Module) -> PoolingName:
    """Name of a pooling, by its type.

    Raises:
        InputError: there is none of this type.
    """
    if type(pooling) is AveragePooling:
        return "gap"
    if type(pooling) is SumPooling:
        return "gsp"
    raise InputError(f"the pooling {type(pooling).__name__} is none of gap, gsp")


@torch.fx.wrap
def match(features: Tensor, projection: Tensor, prototypes: Tensor, mass: Tensor, gamma: Tensor) -> Tensor:
    """Kept shares [N, h, w] of features [N, d, h, w], in single precision or better, also under autocast.

    Arguments:
        features: the features.
        projection: [D, d].
        prototypes: [m, D].
        mass: mean of the kept shares.
        gamma: inverse weight of the entropy.
    """
    device = features.device.type
    if torch.is_autocast_enabled(device):
        with torch.autocast(device, enabled=False):
            return _match(features, projection, prototypes, mass, gamma)
    return _match(features, projection, prototypes, mass, gamma)


def _match(features: Tensor, projection: Tensor, prototypes: Tensor, mass: Tensor, gamma: Tensor) -> Tensor:
    patches = _project(features, projection)
    own = _clip(_wide(prototypes), dim=1)
    # Matrix products, which a GPU computes in full single precision and int8 files do not round.
    squares = own.square().sum(dim=1)[:, None] + patches.square().sum(dim=1)[:, None] - 2 * (own @ patches)
    distances = squares.clamp(min=MIN_DISTANCE**2).sqrt()
    scores = (-_wide(gamma) * distances).exp().sum(dim=1).log()
    return kept_shares(scores, _wide(mass)).reshape(-1, *features.shape[2:])


def _project(features: Tensor, projection: Tensor) -> Tensor:
    """Features [N, d, h, w] as [N, D, h * w], no longer than 1."""
    return _clip(_wide(projection) @ _wide(features.flatten(2)), dim=1)


def _clip(vectors: Tensor, dim: int) -> Tensor:
    """Vectors along `dim`, those longer than 1 shortened to 1."""
    return vectors / vectors.norm(dim=dim, keepdim=True).clamp(min=1)


def _shortest(value: Tensor) -> float:
    return float(str(np.float32(value.item())))


def _wide(tensor: Tensor) -> Tensor:
    """In single precision, or double if it already is."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def choose_prototypes(patches: Tensor, count: int = PROTOTYPES) -> Tensor:
    """Greedy k-centre: `count` of patches [P, D], each the farthest from all before it; the first is patch 0.

    Raises:
        InputError: there are fewer patches, or they are not finite.
    """
    if len(patches) < count:
        raise InputError(f"{count} prototypes need a pool of as many patches, and there are {len(patches)}")
    if not torch.isfinite(patches).all():
        raise InputError("the features of the patches are not finite, so that no prototypes can be chosen from them")
    chosen = [patches[:1]]
    nearest = torch.full_like(patches[:, 0], torch.inf)
    for _ in range(count - 1):
        nearest = torch.minimum(nearest, (patches - chosen[-1]).square().sum(dim=1))
        chosen.append(patches.index_select(0, nearest.argmax()[None]))
    return torch.cat(chosen)
