"""Additions to the OpenAPI document that FastAPI makes: errors, examples, request bodies, keys."""

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.encoders import jsonable_encoder

from serve.errors import error_body
from serve.http.auth import is_public
from serve.http.body import FIELD, FORM_TYPE, IMAGE_TYPES
from serve.http.request import TIMEOUT_HEADER
from serve.schemas import Problem

Responses = dict[int | str, dict[str, Any]]
"""Documented answers by status, as FastAPI takes them."""

JSON, TEXT = "application/json", "text/plain"

_PROBLEMS: Mapping[int, tuple[str, str, str]] = {
    401: (
        "No API key, or one that is not valid, where the server asks for one.",
        "unauthorized",
        "the API key is not one of this server; ask its operator for one",
    ),
    404: (
        "Unknown model.",
        "unknown_name",
        "unknown model of this server 'wrn16-our.pets'; did you mean wrn16-ours.pets?",
    ),
    406: (
        "`Accept` names no format that is written.",
        "not_acceptable",
        "Accept: text/html names no format of this endpoint; it writes application/json, application/x-npy, image/png",
    ),
    408: ("The body did not arrive in time.", "slow_upload", "the body took longer than 30 s to arrive"),
    413: (
        "Too many bytes, files or pixels.",
        "body_too_large",
        "a body of 40000000 bytes is above the limit of 33554432; send less at once",
    ),
    414: (
        "Too long a URL.",
        "url_too_long",
        "a URL of 20000 characters is above the limit of 16384; use a shorter one",
    ),
    415: (
        "Not an image in a format that is read, or a content coding that is not decoded.",
        "unsupported_image",
        "notes.png: the file is not an image in one of the formats JPEG, PNG, WEBP, GIF (15 bytes); convert it",
    ),
    422: (
        "No image, a damaged image or form, a parameter out of range, or one that there is not.",
        "input",
        "top_k = 0: it must be between 1 and 2, the number of classes",
    ),
    429: (
        "Too many requests, of all or of this client; try again after `Retry-After` seconds.",
        "queue_full",
        "server busy: 256 images in flight, 1 more requested (limit 256); retry in 1 s",
    ),
    431: (
        "Too many headers, or too long ones.",
        "headers_too_large",
        "101 headers of 4000 bytes are above the limit of 100 headers or 16384 bytes; send fewer or shorter ones",
    ),
    503: (
        "The server shuts down, or the model cannot be loaded now; try again after `Retry-After` seconds.",
        "shutting_down",
        "the server is shutting down; ask another one",
    ),
    504: ("The deadline passed.", "deadline", "no answer within the deadline of 10000 ms"),
}
"""Meaning of each status, with the code and message of an example."""


def images_request(max_files: int) -> dict[str, Any]:
    """The request of an endpoint that takes images: files of a form, or a file as the body.

    Arguments:
        max_files: in one form.
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
                "description": "Milliseconds after which the client no longer waits; then 504.",
                "schema": {"type": "number", "exclusiveMinimum": 0},
                "example": 500,
            }
        ],
        "requestBody": {
            "description": "A form, or an image, which is recognised by its content whatever its content type. "
            "It may be compressed: `Content-Encoding: gzip` or `deflate`; the limits hold for what it decodes to.",
            "required": True,
            "content": {FORM_TYPE: {"schema": form}}
            | {kind: {"schema": binary} for kind in (*IMAGE_TYPES, "application/octet-stream")},
        },
    }


_SECURITY_SCHEMES: Mapping[str, Mapping[str, str]] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "`Authorization: Bearer KEY`"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "`X-API-Key: KEY`"},
}
"""The two ways to send an API key that `AuthMiddleware` takes."""


def declare_keys(app: FastAPI) -> None:
    """Have the document say where an API key is needed, and how it is sent."""

    def declare(document: dict[str, Any]) -> None:
        document.setdefault("components", {})["securitySchemes"] = _SECURITY_SCHEMES
        for path, operations in document["paths"].items():
            if not is_public(path):
                for operation in operations.values():
                    operation["security"] = [{name: []} for name in _SECURITY_SCHEMES]

    _amend(app, declare)


def declare_query_values(app: FastAPI, values: Mapping[str, Mapping[str, Any]]) -> None:
    """Have the document say which values of query parameters this server takes: a JSON schema for each parameter."""

    def declare(document: dict[str, Any]) -> None:
        for operations in document["paths"].values():
            for operation in operations.values():
                for parameter in operation.get("parameters", ()):
                    if parameter["in"] == "query":
                        parameter["schema"].update(values.get(parameter["name"], {}))

    _amend(app, declare)


def _amend(app: FastAPI, change: Callable[[dict[str, Any]], None]) -> None:
    """Apply a change to the OpenAPI document, which is made when it is first asked for, with all routes."""
    make = app.openapi

    def amended() -> dict[str, Any]:
        document = make()
        change(document)
        return document

    app.openapi = amended  # type: ignore[method-assign]


def problems(*statuses: int, path: str = "/") -> Responses:
    """The errors of an endpoint, each with an example, in the form of the API below a path."""
    answers: Responses = {}
    for status in statuses:
        description, code, message = _PROBLEMS[status]
        body = error_body(path, code, message)
        error = {"type": "string"} if isinstance(body["error"], str) else Problem.model_json_schema()
        # Not as a model: FastAPI would say that it comes in the media type of the endpoint's own answers.
        schema = {"type": "object", "required": ["error"], "properties": {"error": error}}
        answers[status] = {"description": description, "content": {JSON: {"schema": schema, "example": body}}}
    return answers


def example(value: Any, status: int = 200, description: str = "Successful Response") -> Responses:
    """An answer of an endpoint, documented by an example: text, or a value that becomes JSON."""
    if isinstance(value, str):
        content = {TEXT: {"schema": {"type": "string"}, "example": value}}
    else:
        content = {JSON: {"example": jsonable_encoder(value)}}
    return {status: {"description": description, "content": content}}
