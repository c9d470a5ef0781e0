"""Small image classifiers that show what each patch of an image looks like.

    import zoo
    model = zoo.load("wrn16-ours", pretrained=True)
    answer = model.semantics(model.pixels("cat.jpg"))
    zoo.draw(answer, "cat.jpg")             # a Pillow image

torch is imported on first use of a network.
"""

import os
from typing import TYPE_CHECKING, Any

from zoo.catalogue import ModelInfo, info, list_models
from zoo.registry import Variant, register

# Disables ONNX Runtime's telemetry, which reports opened models to Microsoft. Read on import, which is always later.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from zoo.drawing import draw
    from zoo.images.decode import read_image
    from zoo.networks.backbone import Backbone
    from zoo.networks.load import AutoModel, create, load
    from zoo.networks.network import Network, Semantics
    from zoo.networks.save import save
    from zoo.networks.transform import transform

    __version__: str

__all__ = [
    "AutoModel",
    "Backbone",
    "ModelInfo",
    "Network",
    "Semantics",
    "Variant",
    "create",
    "draw",
    "info",
    "list_models",
    "load",
    "read_image",
    "register",
    "save",
    "transform",
]

_LAZY = {
    "AutoModel": "zoo.networks.load",
    "Backbone": "zoo.networks.backbone",
    "Network": "zoo.networks.network",
    "Semantics": "zoo.networks.network",
    "create": "zoo.networks.load",
    "draw": "zoo.drawing",
    "load": "zoo.networks.load",
    "read_image": "zoo.images.decode",
    "save": "zoo.networks.save",
    "transform": "zoo.networks.transform",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("template-zoo")
    if name not in _LAZY:
        raise AttributeError(f"module 'zoo' has no attribute {name!r}")
    import importlib

    from zoo.extras import importing

    with importing("torch", f"zoo.{name}"):
        module = importlib.import_module(_LAZY[name])
    return getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
