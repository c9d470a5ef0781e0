"""What a model takes and gives, in the protocol's words."""

import json
from dataclasses import dataclass
from typing import Any

from zoo.package import ModelConfig
from zoo.predictors import OUTPUTS
from zoo.registry import info

VERSION = "1"
"""The one version of every model; other weights have another name."""
PLATFORM = "onnxruntime_onnx"
INPUT = "image"


@dataclass(frozen=True, slots=True)
class Signature:
    """A model's tensors."""

    model: str
    size: int
    """Height and width of its pixels."""
    classes: tuple[str, ...]
    outputs: tuple[str, ...]
    grid: tuple[int, int]
    """Rows and columns of its patches; -1 as long as they are not known."""
    max_pictures: int
    """In one request."""

    @staticmethod
    def of(config: ModelConfig, max_pictures: int, grid: tuple[int, int] | None = None) -> "Signature":
        """Of a model; `grid` is None as long as its network is not loaded."""
        has_block = info(config.variant).has_block
        outputs = OUTPUTS if has_block else tuple(name for name in OUTPUTS if name != "assignment")
        return Signature(config.name, config.input_size, config.classes, outputs, grid or (-1, -1), max_pictures)

    @property
    def input_shape(self) -> list[int]:
        """Of one picture."""
        return [3, self.size, self.size]

    def output_shape(self, name: str) -> list[int]:
        """For one picture."""
        count = len(self.classes)
        return {"logits": [count], "patch_logits": [count, *self.grid], "assignment": [count + 1, *self.grid]}[name]

    def metadata(self) -> dict[str, Any]:
        """The answer to `GET /v2/models/{name}`; a parameter holds the classes' names, as a JSON array."""
        return {
            "name": self.model,
            "versions": [VERSION],
            "platform": PLATFORM,
            "inputs": [{"name": INPUT, "datatype": "UINT8", "shape": [-1, *self.input_shape]}],
            "outputs": [
                {"name": name, "datatype": "FP32", "shape": [-1, *self.output_shape(name)]} for name in self.outputs
            ],
            "parameters": {"classes": json.dumps(self.classes, ensure_ascii=False)},
        }

    def config(self) -> dict[str, Any]:
        """The answer to `GET /v2/models/{name}/config`: what Triton's `ModelConfig` message has for it."""
        return {
            "name": self.model,
            "platform": PLATFORM,
            "backend": "onnxruntime",
            "max_batch_size": self.max_pictures,
            "input": [{"name": INPUT, "data_type": "TYPE_UINT8", "dims": self.input_shape}],
            "output": [
                {"name": name, "data_type": "TYPE_FP32", "dims": self.output_shape(name)} for name in self.outputs
            ],
        }
