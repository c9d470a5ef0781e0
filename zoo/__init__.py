"""Small image classifiers that show what each patch of an image looks like.

    import zoo
    model = zoo.load("wrn16-ours", pretrained=True)
    answer = model.semantics(pixels)        # pixels [N, 3, H, W], uint8

torch is imported on first use of a network.
"""

import os
from typing import TYPE_CHECKING, Any

from zoo.registry import Variant, info, list_models, register

# Disables ONNX Runtime's telemetry, which reports opened models to Microsoft. Read on import, which is always later.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from zoo.networks.load import AutoModel, create, load
    from zoo.networks.network import Network, Semantics

__all__ = ["AutoModel", "Network", "Semantics", "Variant", "create", "info", "list_models", "load", "register"]

_LAZY = {
    "AutoModel": "zoo.networks.load",
    "create": "zoo.networks.load",
    "load": "zoo.networks.load",
    "Network": "zoo.networks.network",
    "Semantics": "zoo.networks.network",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'zoo' has no attribute {name!r}")
    import importlib

    from zoo.extras import importing

    with importing("torch", f"zoo.{name}"):
        module = importlib.import_module(_LAZY[name])
    return getattr(module, name)
