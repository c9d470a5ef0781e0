"""What the paper says of the classes of CIFAR-10, to be looked for: groups that separate, pairs that share a part."""

from collections.abc import Mapping
from types import MappingProxyType

GROUPS: Mapping[str, Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "cifar10": {
            "animals": ("bird", "cat", "deer", "dog", "frog", "horse"),
            "vehicles": ("airplane", "automobile", "ship", "truck"),
        }
    }
)
"""Two groups of classes, by data set."""

PAIRS: Mapping[str, Mapping[str, tuple[str, str]]] = MappingProxyType(
    {"cifar10": {"wing": ("bird", "airplane"), "tyre": ("automobile", "truck")}}
)
"""Parts that two classes share, by data set."""
