"""Additions to FastAPI's OpenAPI document: errors, examples, request bodies and API keys."""

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.encoders import jsonable_encoder

from serve.errors import error_body
from serve.http.auth import is_public
from serve.http.body import FIELD, FORM_TYPE
from serve.http.request import TIMEOUT_HEADER
from serve.schemas import Problem
from zoo.errors import UnknownNameError
from zoo.images.formats import MEDIA_TYPES, NAMES

Responses = dict[int | str, dict[str, Any]]
"""Documented responses by status, in the form that FastAPI expects."""

JSON, TEXT = "application/json", "text/plain"

_PROBLEMS: Mapping[int, tuple[str, str, str]] = {
    401: (
        "Missing or invalid API key, if the server requires one.",
        "unauthorized",
        "invalid API key; ask the operator of this server for one",
    ),
    404: (
        "Unknown model or class, or no index to search.",
        "unknown_name",
        str(UnknownNameError("model", "wrn16-our.pets", ["wrn16-ours.pets"])),
    ),
    406: (
        "`Accept` has no available media type.",
        "not_acceptable",
        "Accept: text/html: not available from this endpoint; use application/json, application/x-npy, image/png",
    ),
    408: (
        "The request body did not arrive in time.",
        "slow_upload",
        "the body took longer than the limit of 30 s to arrive",
    ),
    413: (
        "Too many bytes, files or pixels.",
        "body_too_large",
        "the body of 40000000 bytes is above the limit of 33554432; send less per request",
    ),
    414: (
        "URL too long.",
        "url_too_long",
        "the URL of 20000 characters is above the limit of 16384; shorten it",
    ),
    415: (
        "Unsupported image format or content coding.",
        "unsupported_image",
        f"notes.png: the file is not an image in one of the formats {NAMES} (15 bytes); convert it",
    ),
    422: (
        "No image, a damaged image or form, or an unknown or invalid parameter.",
        "input",
        "top_k = 0: it must be between 1 and 2, the number of classes",
    ),
    429: (
        "Server busy, or rate limit exceeded; retry after `Retry-After` seconds.",
        "queue_full",
        "server busy: 256 images in flight, 1 more requested (limit 256); retry in 1 s",
    ),
    431: (
        "Too many or too long headers.",
        "headers_too_large",
        "101 headers of 4000 bytes are above the limit of 100 headers or 16384 bytes; send fewer or shorter ones",
    ),
    503: (
        "The server is shutting down, or the model cannot be loaded; retry after `Retry-After` seconds.",
        "shutting_down",
        "the server is shutting down; retry on another instance",
    ),
    504: ("Deadline exceeded.", "deadline", "no result within the deadline of 10000 ms"),
}
"""Description of each status, with the code and message of an example."""


def images_request(max_files: int) -> dict[str, Any]:
    """OpenAPI description of a request with images: files of a form, or one file as the body.

    Arguments:
        max_files: maximum number of files in a form.
    """
    binary = {"type": "string", "format": "binary"}
    form = {
        "type": "object",
        "required": [FIELD],
        "properties": {FIELD: {"type": "array", "minItems": 1, "maxItems": max_files, "items": binary}},
        "additionalProperties": False,
    }
    return {
        "parameters": [
            {
                "name": TIMEOUT_HEADER,
                "in": "header",
                "description": "Client timeout in milliseconds; then 504.",
                "schema": {"type": "number", "exclusiveMinimum": 0},
                "example": 500,
            }
        ],
        "requestBody": {
            "description": "A form, or an image, which is recognised by its content, whatever its content type. "
            "May be compressed (`Content-Encoding: gzip` or `deflate`); limits also apply to the decompressed body.",
            "required": True,
            "content": {FORM_TYPE: {"schema": form}}
            | {kind: {"schema": binary} for kind in (*MEDIA_TYPES, "application/octet-stream")},
        },
    }


_SECURITY_SCHEMES: Mapping[str, Mapping[str, str]] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "`Authorization: Bearer KEY`"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "`X-API-Key: KEY`"},
}
"""The two ways to send an API key that `AuthMiddleware` accepts."""


def declare_keys(app: FastAPI) -> None:
    """Declare in the OpenAPI document which operations require an API key, and how to send it."""

    def declare(document: dict[str, Any]) -> None:
        document.setdefault("components", {})["securitySchemes"] = _SECURITY_SCHEMES
        for path, operations in document["paths"].items():
            if not is_public(path):
                for operation in operations.values():
                    operation["security"] = [{name: []} for name in _SECURITY_SCHEMES]

    _amend(app, declare)


def declare_query_values(app: FastAPI, values: Mapping[str, Mapping[str, Any]]) -> None:
    """Declare in the OpenAPI document the valid values of query parameters, as a JSON schema for each."""

    def declare(document: dict[str, Any]) -> None:
        for operations in document["paths"].values():
            for operation in operations.values():
                for parameter in operation.get("parameters", ()):
                    if parameter["in"] == "query":
                        parameter["schema"].update(values.get(parameter["name"], {}))

    _amend(app, declare)


def _amend(app: FastAPI, change: Callable[[dict[str, Any]], None]) -> None:
    """Apply a change to the OpenAPI document, which is generated on first use, once all routes exist."""
    make = app.openapi

    def amended() -> dict[str, Any]:
        document = make()
        change(document)
        return document

    app.openapi = amended  # type: ignore[method-assign]


def problems(*statuses: int, path: str = "/") -> Responses:
    """Error responses of an endpoint, each with an example, in the format of the API to which `path` belongs."""
    answers: Responses = {}
    for status in statuses:
        description, code, message = _PROBLEMS[status]
        body = error_body(path, code, message)
        error = {"type": "string"} if isinstance(body["error"], str) else Problem.model_json_schema()
        # Not as a model: FastAPI would document it with the media type of the endpoint's own responses.
        schema = {"type": "object", "required": ["error"], "properties": {"error": error}}
        answers[status] = {"description": description, "content": {JSON: {"schema": schema, "example": body}}}
    return answers


def example(value: Any, status: int = 200, description: str = "Successful Response") -> Responses:
    """Response of an endpoint, documented by an example: text, or a value to encode as JSON."""
    if isinstance(value, str):
        content = {TEXT: {"schema": {"type": "string"}, "example": value}}
    else:
        content = {JSON: {"example": jsonable_encoder(value)}}
    return {status: {"description": description, "content": content}}
