"""Inference requests: JSON that contains the pixels, or is followed by them as binary data."""

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
"""Maximum bytes of JSON per value, including spaces and brackets: lists need many times the memory of their text."""
_JSON_REST = 64 * 1024
"""Additional bytes of JSON for everything but the values."""

_MAX_TIMEOUT_US = 3_600_000_000
"""Maximum client timeout, in microseconds: one hour."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Output requested by a client."""

    name: str
    binary: bool
    """Whether to send it as binary data, not in the JSON."""
    classes: int
    """Number of largest values to return with their classes, in place of the tensor; 0 for the tensor."""


@dataclass(frozen=True, slots=True)
class InferRequest:
    """Parsed and valid inference request."""

    id: str | None
    pixels: Pixels
    """Network input, [N, 3, S, S]."""
    outputs: tuple[Wanted, ...]
    timeout: float
    """Client timeout, in seconds."""


def read_request(body: bytes, header_length: str | None, signature: Signature) -> InferRequest:
    """Parse the body of an inference request.

    Arguments:
        body: whole body, decompressed.
        header_length: value of the header `HEADER_LENGTH`; None if it is missing.
        signature: signature of the requested model.

    Raises:
        InputError: the request is invalid, or does not match the signature.
        BodyTooLargeError: the JSON part is longer than the maximum number of images needs.
    """
    length = _json_length(header_length, len(body))
    limit = _JSON_REST + _JSON_BYTES * signature.max_images * math.prod(signature.input_shape)
    if length > limit:
        raise BodyTooLargeError(
            f"{length} bytes of JSON are above the limit of {limit}, enough for {signature.max_images} images; "
            f"send the pixels as binary data after the JSON, and its length in {HEADER_LENGTH}"
        )
    try:
        request = json.loads(body[:length])
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"the first {length} bytes of the body are not valid JSON: {error}; if binary data follow, set the length "
            f"of the JSON in {HEADER_LENGTH}"
        ) from None
    if not isinstance(request, dict):
        raise InputError(f"the request is {short(request)}: must be an object with `inputs`")
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
        raise InputError(f"{HEADER_LENGTH} = {short(header)}: must be an integer up to the body's {length} bytes")
    return int(header)


def _outputs(request: Mapping[str, Any], binary: bool, signature: Signature) -> tuple[Wanted, ...]:
    entries = field(request, "outputs", list) or [{"name": name} for name in signature.outputs]
    wanted = tuple(_wanted(entry, binary, signature) for entry in entries)
    if len({output.name for output in wanted}) < len(wanted):
        raise InputError(f"outputs = {short(entries)}: request each output only once")
    return wanted


def _wanted(entry: Any, binary: bool, signature: Signature) -> Wanted:
    name = entry.get("name") if isinstance(entry, dict) else None
    if name not in signature.outputs:
        raise InputError(
            f"unknown output {short(entry)} of {signature.config.name}; request {', '.join(signature.outputs)} as "
            '{"name": ...}'
        )
    parameters = field(entry, "parameters", dict) or {}
    classes, count = field(parameters, "classification", int) or 0, len(signature.config.classes)
    if not 0 <= classes <= count:
        raise InputError(f"classification = {short(classes)}: must be between 1 and {count}, the number of classes")
    if classes and name != LOGITS.name:
        raise InputError(f"classification is not available for {name}, only for {LOGITS.name}; request {name} without")
    own = field(parameters, "binary_data", bool)
    return Wanted(name, binary if own is None else own, classes)


def _timeout(parameters: Mapping[str, Any]) -> float:
    microseconds = field(parameters, "timeout", int)
    if microseconds is None:
        return math.inf
    if not 0 < microseconds <= _MAX_TIMEOUT_US:
        raise InputError(f"timeout = {short(microseconds)}: must be between 1 and {_MAX_TIMEOUT_US} microseconds")
    return microseconds / 1e6
