"""The only input of every model: pixels, in the JSON of a request or as binary data after it."""

import math
from collections.abc import Mapping, Sequence
from itertools import chain
from reprlib import repr as short
from typing import Any

import numpy as np

from serve.open_inference.fields import field
from serve.open_inference.signature import Signature
from zoo.errors import InputError
from zoo.images.preprocess import Pixels
from zoo.outputs import INPUT

HEADER_LENGTH = "Inference-Header-Content-Length"
"""Header with the length in bytes of the JSON part of a body, if binary tensors follow it."""


def parse_pixels(request: Mapping[str, Any], body: bytes, start: int, signature: Signature) -> Pixels:
    """Pixels of a request, [N, 3, S, S]; binary data are not copied.

    Arguments:
        request: parsed JSON part of the request.
        body: whole body.
        start: offset of the end of the JSON part in `body`.
        signature: signature of the requested model.

    Raises:
        InputError: the pixels are missing, or do not match the signature.
    """
    inputs = field(request, "inputs", list) or []
    if len(inputs) != 1 or not isinstance(inputs[0], dict):
        raise InputError(
            f"inputs = {short(inputs)}: {signature.config.name} expects one input, an object named {INPUT!r}"
        )
    [tensor] = inputs
    name, datatype, shape = tensor.get("name"), tensor.get("datatype"), field(tensor, "shape", list) or []
    if name != INPUT:
        raise InputError(f"unknown input {short(name)}; {signature.config.name} expects {INPUT!r}")
    if datatype != "UINT8":
        raise InputError(f"{INPUT} has datatype {short(datatype)}: must be UINT8, pixels from 0 to 255")
    sides = signature.input_shape
    if {*map(type, shape)} != {int} or shape[1:] != sides or not 1 <= shape[0] <= signature.max_images:
        expected = ", ".join(map(str, sides))
        raise InputError(
            f"{INPUT} has shape {short(shape)}: {signature.config.name} expects [N, {expected}] with N from 1 to "
            f"{signature.max_images}"
        )
    size = field(field(tensor, "parameters", dict) or {}, "binary_data_size", int)
    count, follow = math.prod(shape), len(body) - start
    if follow != (size or 0):
        raise InputError(
            f"binary_data_size = {short(size)}, but {follow} bytes follow the {start} bytes of JSON; correct it, or "
            f"set the length of the JSON in {HEADER_LENGTH}"
        )
    if size is None:
        body, start = _values(tensor.get("data"), shape), 0
        size = len(body)
    if size != count:
        raise InputError(f"{INPUT} has {size} values, but its shape {shape} needs {count}")
    return np.frombuffer(body, np.uint8, count, start).reshape(shape)


def _values(data: Any, shape: Sequence[int]) -> bytes:
    """Values of a tensor in JSON, a flat list or lists nested according to the shape."""
    if not isinstance(data, list):
        raise InputError(f"{INPUT} has data = {short(data)}: must be an array, or binary data after the JSON")
    if data and isinstance(data[0], list):
        level = [data]
        for size in shape:
            if not all(isinstance(part, list) and len(part) == size for part in level):
                raise InputError(
                    f"the arrays of {INPUT} do not match its shape {shape}; nest them accordingly, or send a flat array"
                )
            level = list(chain.from_iterable(level))
        data = level
    try:
        # Strict, and of fixed size whatever the list contains: NumPy would allocate space for the longest string.
        return bytes(data)
    except (TypeError, ValueError) as error:
        raise InputError(f"the data of {INPUT} must be integers from 0 to 255: {error}") from None
