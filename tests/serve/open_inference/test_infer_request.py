"""Requests of the Open Inference Protocol that no model can answer, and how pixels are read."""

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.errors import BodyTooLargeError
from serve.open_inference.request import InferRequest, Wanted, read_request
from serve.open_inference.signature import Signature
from zoo.errors import InputError
from zoo.outputs import ASSIGNMENT, LOGITS
from zoo.predictors.onnx_session import OnnxFile

SIGNATURE = Signature(
    OnnxFile(
        # Smaller than any model's, so that a request can be read.
        config=SimpleNamespace(name="tiny", input_size=2, classes=("cat", "dog")),
        precision="fp32",
        outputs=(LOGITS, ASSIGNMENT),
        shapes={"logits": (2,), "assignment": (3, 1, 1)},
    ),
    max_images=4,
)
PIXELS = np.arange(24, dtype=np.uint8).reshape(2, 3, 2, 2)


NAMES = st.sampled_from(
    ["name", "inputs", "outputs", "parameters", "data", "shape", "binary_data_size", "classification"]
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=3)
    | st.just("image")
    | st.just("logits"),
    lambda value: st.lists(value, max_size=4) | st.dictionaries(NAMES, value, max_size=4),
)


def image(**changes: Any) -> dict[str, Any]:
    return {"name": "image", "datatype": "UINT8", "shape": [2, 3, 2, 2], "data": PIXELS.ravel().tolist()} | changes


def read(request: object, behind: bytes = b"", length: str | None = None) -> InferRequest:
    text = json.dumps(request).encode()
    return read_request(text + behind, length or (str(len(text)) if behind else None), SIGNATURE)


def wanting(name: str, **parameters: Any) -> dict[str, Any]:
    return {"inputs": [image()], "outputs": [{"name": name, "parameters": parameters}]}


@pytest.mark.parametrize("data", [PIXELS.ravel().tolist(), PIXELS.tolist()], ids=["flat", "nested"])
def test_pixels_in_json(data: list[Any]) -> None:
    request = read({"id": "7", "inputs": [image(data=data)]})
    np.testing.assert_array_equal(request.pixels, PIXELS, strict=True)
    assert request.id == "7"
    assert request.timeout == float("inf")
    assert request.outputs == (Wanted("logits", False, 0), Wanted("assignment", False, 0))


def test_pixels_as_bytes_are_not_copied() -> None:
    text = json.dumps({"inputs": [image(data=None, parameters={"binary_data_size": 24})]}).encode()
    body = text + PIXELS.tobytes()
    pixels = read_request(body, str(len(text)), SIGNATURE).pixels
    np.testing.assert_array_equal(pixels, PIXELS, strict=True)
    assert np.shares_memory(pixels, np.frombuffer(body, np.uint8))


def test_a_null_is_as_good_as_nothing() -> None:
    request = read({"id": None, "inputs": [image(parameters=None)], "outputs": None, "parameters": None})
    assert request.id is None
    assert len(request.outputs) == 2


def test_outputs() -> None:
    wanted = [{"name": "assignment"}, {"name": "logits", "parameters": {"binary_data": False, "classification": 2}}]
    request = read({"inputs": [image()], "outputs": wanted, "parameters": {"binary_data_output": True, "timeout": 500}})
    assert request.outputs == (Wanted("assignment", True, 0), Wanted("logits", False, 2))
    assert request.timeout == 500e-6


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ([], r"the request is \[\]: must be an object"),
        ({}, r"inputs = \[\]: tiny expects one input, .*'image'"),
        ({"inputs": "image"}, "inputs = 'image': must be an array"),
        ({"inputs": ["image"]}, "tiny expects one input, an object"),
        ({"inputs": [image(), image()]}, "tiny expects one input"),
        ({"inputs": [image()], "id": 7}, "id = 7: must be a string"),
        ({"inputs": [image()], "parameters": [1]}, r"parameters = \[1\]: must be an object"),
        ({"inputs": [image()], "parameters": {"timeout": 0}}, "timeout = 0: must be between 1 and"),
        ({"inputs": [image()], "parameters": {"timeout": 10**500}}, "timeout = 1000"),
        ({"inputs": [image()], "parameters": {"binary_data_output": 1}}, "= 1: must be true or false"),
        ({"inputs": [image()], "outputs": {}}, "outputs = {}: must be an array"),
        ({"inputs": [image()], "outputs": ["logits"]}, "unknown output 'logits' of tiny; request logits, assignment"),
        ({"inputs": [image()], "outputs": [{"name": "logits"}] * 2}, "request each output only once"),
        (wanting("logit"), "unknown output .*'logit'"),
        (wanting("logits", classification=-1), "classification = -1: must be between 1 and 2"),
        (wanting("logits", classification=3), "classification = 3: must be between 1 and 2"),
        (wanting("logits", classification=True), "classification = True: must be an integer"),
        (wanting("assignment", classification=1), "classification is not available for assignment"),
        (wanting("logits", binary_data="yes"), "binary_data = 'yes': must be true or false"),
    ],
)
def test_a_wrong_request(request_: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(request_)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "pixels"}, "unknown input 'pixels'; tiny expects 'image'"),
        ({"name": None}, "unknown input None"),
        ({"datatype": "FP32"}, "image has datatype 'FP32': must be UINT8"),
        ({"shape": None}, r"image has shape \[\]: tiny expects \[N, 3, 2, 2\] with N from 1 to 4"),
        ({"shape": "2x3"}, "shape = '2x3': must be an array"),
        ({"shape": [2, 2, 2, 3]}, r"image has shape \[2, 2, 2, 3\]"),
        ({"shape": [2, 3.0, 2, 2]}, r"image has shape \[2, 3.0, 2, 2\]"),
        ({"shape": [True, 3, 2, 2]}, r"image has shape \[True, 3, 2, 2\]"),
        ({"shape": [0, 3, 2, 2]}, "with N from 1 to 4"),
        ({"shape": [5, 3, 2, 2]}, "with N from 1 to 4"),
        ({"shape": [1, 3, 2, 2]}, r"image has 24 values, but its shape \[1, 3, 2, 2\] needs 12"),
        ({"data": None}, "has data = None: must be an array"),
        ({"data": 24}, "has data = 24: must be an array"),
        ({"data": []}, "image has 0 values"),
        ({"data": [1, 2, 3]}, "image has 3 values"),
        ({"data": [[1, 2], [3]]}, "do not match its shape"),
        ({"data": PIXELS.transpose(0, 2, 3, 1).tolist()}, "do not match its shape"),
        ({"data": [256] * 24}, "must be integers from 0 to 255"),
        ({"data": [-1] * 24}, "must be integers from 0 to 255"),
        ({"data": [0.5] * 24}, "must be integers from 0 to 255"),
        ({"data": ["1"] * 24}, "must be integers from 0 to 255"),
        ({"data": [1, [2], 3]}, "must be integers from 0 to 255"),
        ({"parameters": {"binary_data_size": 24}}, "binary_data_size = 24, but 0 bytes follow"),
        ({"parameters": {"binary_data_size": 0}}, "image has 0 values"),
        ({"parameters": {"binary_data_size": "all"}}, "binary_data_size = 'all': must be an integer"),
    ],
)
def test_a_wrong_input(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read({"inputs": [image(**changes)]})


@pytest.mark.parametrize(
    ("announced", "sent", "message"),
    [
        (23, 23, r"image has 23 values, but its shape \[2, 3, 2, 2\] needs 24"),
        (25, 24, "binary_data_size = 25, but 24 bytes follow"),
        (24, 25, "binary_data_size = 24, but 25 bytes follow"),
        (-24, 24, "binary_data_size = -24, but 24 bytes follow"),
        (None, 4, "binary_data_size = None, but 4 bytes follow"),
    ],
)
def test_bytes_of_another_size(announced: int | None, sent: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read({"inputs": [image(parameters={"binary_data_size": announced})]}, bytes(sent))


@pytest.mark.parametrize("length", ["", "-1", "many", "1e3", "999999", "9" * 5000, "٣"])
def test_a_wrong_length_of_the_json(length: str) -> None:
    with pytest.raises(InputError, match="must be an integer up to the body's 2 bytes"):
        read_request(b"{}", length, SIGNATURE)


@pytest.mark.parametrize("body", [b"", b"pixels", b"\xff\xfe", b"[" * 50_000, b'{"inputs": [', b"1" * 5000])
def test_a_body_that_is_not_json(body: bytes) -> None:
    with pytest.raises(InputError, match=f"the first {len(body)} bytes of the body are not valid JSON"):
        read_request(body, None, SIGNATURE)


def test_json_that_is_longer_than_any_pixels() -> None:
    with pytest.raises(BodyTooLargeError, match="enough for 4 images; send the pixels as binary data"):
        read({"inputs": [image(data=[[]] * 50_000)]})


@given(st.dictionaries(NAMES, JSON), st.dictionaries(NAMES, JSON), st.binary(max_size=30))
def test_whatever_comes_is_read_or_refused(request_: dict[str, Any], tensor: dict[str, Any], behind: bytes) -> None:
    for body in (request_, {"inputs": [image(**tensor)]}, {"inputs": [image()]} | request_):
        try:
            pixels = read(body, behind).pixels
        except InputError:
            continue
        assert pixels.shape[1:] == (3, 2, 2)
