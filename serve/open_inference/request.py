"""Inference requests: JSON with the pixels in it, or as bytes behind it."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from reprlib import repr as short
from typing import Any

from serve.errors import BodyTooLargeError
from serve.open_inference.fields import field
from serve.open_inference.pixels import HEADER_LENGTH, parse_pixels
from serve.open_inference.signature import Signature
from zoo.errors import InputError
from zoo.images.preprocess import Pixels
from zoo.outputs import LOGITS

_JSON_BYTES = 16
"""A value in JSON at most, spaces and brackets included: lists take many times the memory of their text."""
_JSON_REST = 64 * 1024
"""For all that is no value."""

_LONGEST = 3_600_000_000
"""Microseconds that a client may say it will wait: an hour."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """An output that a request asks for."""

    name: str
    binary: bool
    """As bytes, not in the JSON."""
    classes: int
    """Not the tensor, but this many of its greatest values with their classes; 0 for the tensor."""


@dataclass(frozen=True, slots=True)
class InferRequest:
    """A request that its model can answer."""

    id: str | None
    pixels: Pixels
    """[N, 3, S, S]"""
    outputs: tuple[Wanted, ...]
    timeout: float
    """Seconds that the client will wait."""


def read_request(body: bytes, header_length: str | None, signature: Signature) -> InferRequest:
    """Read the body of an inference request.

    Arguments:
        body: the whole body, not compressed.
        header_length: the header `HEADER_LENGTH`; None if it is not there.
        signature: of the model that is asked.

    Raises:
        InputError: it is not a request that the model can answer.
        BodyTooLargeError: the JSON part is longer than as many images as are allowed can make it.
    """
    length = _json_length(header_length, len(body))
    limit = _JSON_REST + _JSON_BYTES * signature.max_images * math.prod(signature.input_shape)
    if length > limit:
        raise BodyTooLargeError(
            f"{length} bytes of JSON are above the limit of {limit}, enough for {signature.max_images} images; "
            f"send the pixels as binary data behind it, and its length as {HEADER_LENGTH}"
        )
    try:
        request = json.loads(body[:length])
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"the first {length} bytes of the body are not JSON: {error}; where binary data follow, "
            f"{HEADER_LENGTH} is the length of the JSON"
        ) from None
    if not isinstance(request, dict):
        raise InputError(f"the request is {short(request)}: it must be an object with `inputs`")
    parameters = field(request, "parameters", dict) or {}
    return InferRequest(
        field(request, "id", str),
        parse_pixels(request, body, length, signature),
        _outputs(request, field(parameters, "binary_data_output", bool) or False, signature),
        _timeout(parameters),
    )


def _json_length(header: str | None, length: int) -> int:
    if header is None:
        return length
    if not (header.isascii() and header.isdigit() and len(header) < 16 and int(header) <= length):
        raise InputError(f"{HEADER_LENGTH} = {short(header)}: it must be a number up to the body's {length} bytes")
    return int(header)


def _outputs(request: Mapping[str, Any], binary: bool, signature: Signature) -> tuple[Wanted, ...]:
    entries = field(request, "outputs", list) or [{"name": name} for name in signature.outputs]
    wanted = tuple(_wanted(entry, binary, signature) for entry in entries)
    if len({output.name for output in wanted}) < len(wanted):
        raise InputError(f"outputs = {short(entries)}: ask for each output once")
    return wanted


def _wanted(entry: Any, binary: bool, signature: Signature) -> Wanted:
    name = entry.get("name") if isinstance(entry, dict) else None
    if name not in signature.outputs:
        raise InputError(
            f"{short(entry)} is no output of {signature.config.name}; it gives {', '.join(signature.outputs)}, "
            'asked for as {"name": ...}'
        )
    parameters = field(entry, "parameters", dict) or {}
    classes, count = field(parameters, "classification", int) or 0, len(signature.config.classes)
    if not 0 <= classes <= count:
        raise InputError(f"classification = {short(classes)}: it must be between 1 and {count}, the number of classes")
    if classes and name != LOGITS.name:
        raise InputError(f"classification is for logits, not for {name}; ask for {name} without it")
    own = field(parameters, "binary_data", bool)
    return Wanted(name, binary if own is None else own, classes)


def _timeout(parameters: Mapping[str, Any]) -> float:
    microseconds = field(parameters, "timeout", int)
    if microseconds is None:
        return math.inf
    if not 0 < microseconds <= _LONGEST:
        raise InputError(f"timeout = {short(microseconds)}: it must be between 1 and {_LONGEST}, in microseconds")
    return microseconds / 1e6
