"""Endpoints of the Open Inference Protocol."""

import json
import time
from importlib.metadata import version as installed
from typing import Annotated, Any

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response
from pydantic import WithJsonSchema
from starlette.datastructures import Headers

from serve.errors import OPEN_INFERENCE
from serve.http.body import read_body
from serve.http.coding import IDENTITY, choose_coding, encode_body
from serve.http.openapi import Responses, example, problems
from serve.http.request import WhileConnected, client_deadline, deadline_of
from serve.inference.models import ServedModel
from serve.inference.service import Service
from serve.open_inference.answer import write_answer
from serve.open_inference.fields import field
from serve.open_inference.pixels import HEADER_LENGTH
from serve.open_inference.request import InferRequest, read_request
from serve.open_inference.signature import VERSION, Signature
from zoo.errors import InputError, UnknownNameError
from zoo.predictors import Prediction

SERVER = "template-zoo"
EXTENSIONS = ("binary_tensor_data", "classification", "model_configuration", "model_repository")

_INFER: dict[str, Any] = {
    "requestBody": {
        "description": "JSON, or JSON followed by binary data. May be compressed (`Content-Encoding: gzip` or "
        "`deflate`); limits also apply to the decompressed body.",
        "required": True,
        "content": {
            "application/json": {"schema": {"type": "object", "required": ["inputs"]}},
            "application/octet-stream": {},
        },
    }
}


_READY = {"type": "object", "properties": {"ready": {"type": ["boolean", "null"]}}}
_INDEX: dict[str, Any] = {"requestBody": {"content": {"application/json": {"schema": _READY}}}}


def _problems(*statuses: int) -> Responses:
    return problems(*statuses, path=OPEN_INFERENCE)


_OF_A_MODEL = _problems(401, 404, 429)


def router(service: Service) -> APIRouter:
    """Create the endpoints of a service; their errors have the form `{"error": message}`."""
    routes = APIRouter(prefix=OPEN_INFERENCE, tags=["Open Inference Protocol"], responses=_problems(414, 422, 431))
    settings = service.settings
    about = {"name": SERVER, "version": installed(SERVER), "extensions": EXTENSIONS}
    Name = Annotated[str, WithJsonSchema({"type": "string", "enum": service.models.names})]  # noqa: N806
    Version = Annotated[str, WithJsonSchema({"type": "string", "enum": [VERSION]})]  # noqa: N806
    # Few at a time, since a parsed request may be many times as large as its body.
    reading = CapacityLimiter(settings.decoders)

    async def find(name: Name) -> ServedModel:
        return service.model(name)

    found = Depends(find)

    async def check_version(model: Annotated[ServedModel, found], version: Version) -> None:
        if version != VERSION:
            raise UnknownNameError(f"version of {model.name}", version, [VERSION])

    # Not a default of `find`: for paths without a version, it would be a query parameter.
    versioned = [Depends(check_version)]

    async def sign(model: Annotated[ServedModel, found]) -> Signature:
        return Signature(await service.declared(model), settings.max_files)

    signed = Depends(sign)

    def read(body: bytes, headers: Headers, signature: Signature) -> InferRequest:
        return read_request(body, headers.get(HEADER_LENGTH), signature)

    first = service.model(None)
    # The default model is loaded already, unless something else than ONNX Runtime computes it.
    signature = first.declared and Signature(first.declared, settings.max_files)

    @routes.get("", responses=example(about) | _problems(401, 429))
    async def server_metadata() -> dict[str, Any]:
        """Server metadata: name, version and supported protocol extensions."""
        return about

    @routes.get("/health/live", responses=example({"live": True}))
    async def live() -> dict[str, bool]:
        """Liveness probe: 200 while the process is running."""
        return {"live": True}

    @routes.get("/health/ready", responses=example({"ready": True}) | example({"ready": False}, 503, "Shutting down."))
    async def ready() -> JSONResponse:
        """Readiness probe: 200 if the server accepts requests, 503 while it is shutting down."""
        return JSONResponse({"ready": service.ready}, 200 if service.ready else 503)

    def list_models() -> list[dict[str, str]]:
        state = "READY" if service.ready else "UNAVAILABLE"
        return [
            {"name": model.name, "version": VERSION, "state": state, "reason": "" if model.loaded else "not yet loaded"}
            for model in service.models.values()
        ]

    index_answers = example(list_models()) | _problems(401, 408, 413, 415, 422, 429)

    @routes.post("/repository/index", responses=index_answers, openapi_extra=_INDEX)
    async def index(request: Request) -> list[dict[str, str]]:
        """List the served models, the default one first; with `ready` set to true, only those that are ready."""
        with service.admission.enter() as reservation:
            only_ready = _wants_ready(await read_body(request, reservation, settings))
        return [] if only_ready and not service.ready else list_models()

    metadata = (example(signature.metadata()) if signature else {}) | _OF_A_MODEL | _problems(503)

    @routes.get("/models/{name}", responses=metadata)
    @routes.get("/models/{name}/versions/{version}", responses=metadata, dependencies=versioned)
    async def model_metadata(signature: Annotated[Signature, signed]) -> dict[str, Any]:
        """Model metadata: the tensors of a model and, in `parameters`, its class names and outputs as JSON."""
        return signature.metadata()

    config = (example(signature.triton_config()) if signature else {}) | _OF_A_MODEL | _problems(503)

    @routes.get("/models/{name}/config", responses=config)
    @routes.get("/models/{name}/versions/{version}/config", responses=config, dependencies=versioned)
    async def model_config(signature: Annotated[Signature, signed]) -> dict[str, Any]:
        """Model configuration, as requested by Triton's clients."""
        return signature.triton_config()

    says_ready, says_not = ({"name": first.name, "ready": ready} for ready in (True, False))
    readiness = example(says_ready) | example(says_not, 503, "Shutting down.") | _OF_A_MODEL

    @routes.get("/models/{name}/ready", responses=readiness)
    @routes.get("/models/{name}/versions/{version}/ready", responses=readiness, dependencies=versioned)
    async def model_ready(model: Annotated[ServedModel, found]) -> JSONResponse:
        """Model readiness: 200 if the model accepts requests, 503 while the server is shutting down."""
        return JSONResponse({"name": model.name, "ready": service.ready}, 200 if service.ready else 503)

    classes = len(first.package.config.classes)
    logits = {"name": "logits", "datatype": "FP32", "shape": [1, classes], "data": [0.0] * classes}
    answered = example({"model_name": first.name, "model_version": VERSION, "outputs": [logits]})
    answers = answered | _OF_A_MODEL | _problems(408, 413, 415, 422, 503, 504)

    @routes.post("/models/{name}/infer", responses=answers, openapi_extra=_INFER)
    @routes.post(
        "/models/{name}/versions/{version}/infer", responses=answers, openapi_extra=_INFER, dependencies=versioned
    )
    async def infer(request: Request, model: Annotated[ServedModel, found]) -> Response:
        """Run inference on a batch of images, given as pixels."""
        of_client = client_deadline(request)
        with service.enter() as reservation:
            body, signature = await read_body(request, reservation, settings), await sign(model)
            asked = await to_thread.run_sync(read, body, request.headers, signature, limiter=reading)
            reservation.add(items=len(asked.pixels), bytes_=max(asked.pixels.nbytes - len(body), 0))
            deadline = min(deadline_of(of_client, settings), time.monotonic() + asked.timeout)
            async with WhileConnected(request):
                prediction, _ = await service.compute(model, asked.pixels, deadline)
        accept = ",".join(request.headers.getlist("accept-encoding"))
        return await to_thread.run_sync(_respond, prediction, asked, signature, accept)

    return routes


def _wants_ready(body: bytes) -> bool:
    try:
        asked = json.loads(body or b"{}")
    except (ValueError, RecursionError) as error:
        raise InputError(f"the body is not valid JSON: {error}") from None
    if not isinstance(asked, dict):
        raise InputError("the body is not a JSON object")
    return bool(field(asked, "ready", bool))


def _respond(prediction: Prediction, asked: InferRequest, signature: Signature, accept: str) -> Response:
    answer, coding = write_answer(prediction, asked, signature), choose_coding(accept)
    headers = {"Vary": "Accept-Encoding"}
    if coding != IDENTITY:
        headers["Content-Encoding"] = coding
    if answer.json_bytes is not None:
        headers[HEADER_LENGTH] = str(answer.json_bytes)
    kind = "application/json" if answer.json_bytes is None else "application/octet-stream"
    return Response(encode_body(answer.body, coding), media_type=kind, headers=headers)
