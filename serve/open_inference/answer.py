"""Inference responses: JSON that contains the tensors, or is followed by them as binary data."""

import json
import struct
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from serve.open_inference.request import InferRequest
from serve.open_inference.signature import VERSION, Signature
from zoo.outputs import Array
from zoo.predictors import Prediction


class InferAnswer(NamedTuple):
    """Body of an inference response."""

    body: bytes
    json_bytes: int | None
    """Length of the JSON part; None if no binary data follow."""


def write_answer(prediction: Prediction, request: InferRequest, signature: Signature) -> InferAnswer:
    """Response with the requested outputs; numbers are exact, also in JSON."""
    outputs, following = list[dict[str, Any]](), list[bytes]()
    for wanted in request.outputs:
        array = prediction[wanted.name]
        if wanted.classes:
            array = _best_classes(array, signature.config.classes, wanted.classes)
        is_text = array.dtype == np.object_
        datatype = "BYTES" if is_text else signature.datatype(wanted.name)
        output: dict[str, Any] = {"name": wanted.name, "datatype": datatype, "shape": list(array.shape)}
        if wanted.binary:
            data = _text_bytes(array) if is_text else array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
            output["parameters"] = {"binary_data_size": len(data)}
            following.append(data)
        else:
            output["data"] = array.ravel().tolist()
        outputs.append(output)
    answer = {"model_name": signature.config.name, "model_version": VERSION, "outputs": outputs}
    if request.id is not None:
        answer["id"] = request.id
    text = json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()
    return InferAnswer(b"".join((text, *following)), len(text) if following else None)


def _best_classes(logits: Array, classes: tuple[str, ...], count: int) -> NDArray[np.object_]:
    """Largest logits of each image with their classes: [N, count] strings `value:index:label`."""
    order = np.argsort(-logits, axis=1, kind="stable")[:, :count]
    rows = [
        [f"{row[index]:f}:{index}:{classes[index]}" for index in best] for row, best in zip(logits, order, strict=True)
    ]
    return np.array(rows, dtype=np.object_)


def _text_bytes(strings: NDArray[np.object_]) -> bytes:
    """Concatenated strings, each preceded by its length in bytes as a little-endian 32-bit integer."""
    encoded = [text.encode() for text in strings.ravel()]
    return b"".join(part for text in encoded for part in (struct.pack("<I", len(text)), text))
