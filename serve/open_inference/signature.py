"""Inputs and outputs of a model, in the protocol's terms."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from zoo.outputs import INPUT, Output
from zoo.package import ModelConfig
from zoo.predictors.onnx_session import OnnxFile

VERSION = "1"
"""Only version of every model; other weights have another name."""
PLATFORM = "onnxruntime_onnx"

_DATATYPES = {np.float32: "FP32", np.int64: "INT64"}


@dataclass(frozen=True, slots=True)
class Signature:
    """Input and output tensors of a model."""

    declared: OnnxFile
    max_images: int
    """Maximum number of images in a request."""

    @property
    def config(self) -> ModelConfig:
        """Configuration of the model."""
        return self.declared.config

    @property
    def outputs(self) -> dict[str, Output]:
        """Declared outputs by name."""
        return {output.name: output for output in self.declared.outputs}

    @property
    def input_shape(self) -> list[int]:
        """Shape of one image, [3, S, S]."""
        return [3, self.config.input_size, self.config.input_size]

    def datatype(self, name: str) -> str:
        """Data type of an output, such as FP32."""
        return _DATATYPES[self.outputs[name].dtype]

    def metadata(self) -> dict[str, Any]:
        """Response to `GET /v2/models/{name}`; its parameters hold the class names and output declarations as JSON."""
        outputs = [output.declaration() for output in self.declared.outputs]
        return {
            "name": self.config.name,
            "versions": [VERSION],
            "platform": PLATFORM,
            "inputs": [{"name": INPUT, "datatype": "UINT8", "shape": [-1, *self.input_shape]}],
            "outputs": [
                {"name": name, "datatype": self.datatype(name), "shape": [-1, *self.declared.shapes[name]]}
                for name in self.outputs
            ],
            "parameters": {
                "classes": json.dumps(self.config.classes, ensure_ascii=False),
                "outputs": json.dumps(outputs, ensure_ascii=False),
            },
        }

    def triton_config(self) -> dict[str, Any]:
        """Response to `GET /v2/models/{name}/config`, with the applicable fields of Triton's `ModelConfig` message."""
        return {
            "name": self.config.name,
            "platform": PLATFORM,
            "backend": "onnxruntime",
            "max_batch_size": self.max_images,
            "input": [{"name": INPUT, "data_type": "TYPE_UINT8", "dims": self.input_shape}],
            "output": [
                {"name": name, "data_type": f"TYPE_{self.datatype(name)}", "dims": list(self.declared.shapes[name])}
                for name in self.outputs
            ],
        }
