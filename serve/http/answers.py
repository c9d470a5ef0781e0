"""JSON responses from results of the service.

The JSON is written directly: building the models of `serve.schemas` first would only validate correct data again.
"""

from pydantic_core import to_json

from serve.inference.models import ServedModel
from serve.inference.occlusion import OcclusionMap
from serve.inference.service import Result
from serve.schemas import ModelDescription
from zoo.answers import map_answers, patch_answers, patch_shares, top_classes
from zoo.outputs import EMBEDDING, Array
from zoo.predictors.file_predictor import FilePredictor
from zoo.printable import printable
from zoo.search.hits import Hit
from zoo.search.image_index import ImageIndex
from zoo.search.thumbnails import webp_uri
from zoo.semantic_map import class_colour


def classify_answer(model: ServedModel, result: Result, top_k: int) -> bytes:
    """Response body of `/classify`: a `ClassifyAnswer` as JSON."""
    config = model.package.config
    results = [
        {**common, "classes": [share._asdict() for share in top_classes(logits, config.classes, top_k)]}
        for common, logits in zip(_images(result), result.prediction.logits, strict=True)
    ]
    return to_json({"model": model.identity, "results": results, "timing": _timing(result)})


def patch_semantics_answer(model: ServedModel, result: Result, top_k: int) -> bytes:
    """Response body of `/patch-semantics`: a `PatchSemanticsAnswer` as JSON."""
    config = model.package.config
    shares = patch_shares(result.prediction)
    more = {"grid": {"rows": shares.shape[2], "columns": shares.shape[3]}, "source": model.patch_source}
    results = []
    for row, (common, own) in enumerate(zip(_images(result), shares, strict=True)):
        answer = {**common, **more, "patches": patch_answers(own, config.classes, top_k, model.entities)}
        if maps := map_answers(result.prediction, row, config.classes):
            answer["maps"] = maps
        results.append(answer)
    return to_json({"model": model.identity, "results": results, "timing": _timing(result)})


def occlusion_answer(model: ServedModel, found: OcclusionMap) -> bytes:
    """Response body of `/occlusion`: an `OcclusionAnswer` as JSON."""
    [common] = _images(found.result)
    rows, columns = found.drops.shape
    own = {
        "label": model.package.config.classes[found.label],
        "logit": float(found.result.prediction.logits[0, found.label]),
        "grid": {"rows": rows, "columns": columns},
        "drops": found.drops.tolist(),
    }
    return to_json({"model": model.identity, "results": [common | own], "timing": _timing(found.result)})


def embed_answer(model: ServedModel, result: Result, embeddings: Array) -> bytes:
    """Response body of `/embed`: an `EmbedAnswer` as JSON, for embeddings [N, D]."""
    results = [
        {**common, "embedding": values} for common, values in zip(_images(result), embeddings.tolist(), strict=True)
    ]
    answer = {"model": model.identity, "results": results, "timing": _timing(result)}
    return to_json(answer, inf_nan_mode="null")


def search_answer(
    model: ServedModel, result: Result, index: ImageIndex, hits: list[list[Hit]], thumbnails: bool
) -> bytes:
    """Response body of `/search`: a `SearchAnswer` as JSON."""
    results = [
        {**common, "nearest": [_nearest(index, hit, thumbnails) for hit in own]}
        for common, own in zip(_images(result), hits, strict=True)
    ]
    return to_json({"model": model.identity, "results": results, "timing": _timing(result)})


def _nearest(index: ImageIndex, hit: Hit, thumbnails: bool) -> dict[str, object]:
    # Names of files may have bytes that JSON cannot represent.
    value: dict[str, object] = {"name": printable(hit.name), "label": hit.label, "cosine": hit.cosine}
    if thumbnails:
        value["thumbnail"] = webp_uri(index.thumbnail(hit.number))
    return value


def model_description(model: ServedModel, default: bool, indexed: int | None = None) -> ModelDescription:
    """Description of a model for `/models`; `indexed` is the number of images of its index, if there is one."""
    config, predictor = model.package.config, model.loaded and model.loaded.predictor
    onnx = predictor if isinstance(predictor, FilePredictor) else None
    return ModelDescription(
        **config.identity(),
        default=default,
        classes=list(config.classes),
        colours=[class_colour(index) for index in range(len(config.classes))],
        input_size=config.input_size,
        parameters=config.parameters,
        loaded=predictor is not None,
        device=predictor.device if predictor else None,
        precision=onnx.precision if onnx else None,
        execution=model.execution,
        onnx_sha256=onnx.onnx_sha256 if onnx else None,
        embedding_size=_embedding_size(model),
        indexed=indexed,
        patch_source=model.patch_source,
        metrics=model.package.metrics(),
        parity=model.package.parity(),
    )


def _embedding_size(model: ServedModel) -> int | None:
    shape = model.declared and model.declared.shapes.get(EMBEDDING.name)
    return shape[0] if shape else None


def _images(result: Result) -> list[dict[str, object]]:
    return [
        {"file": image.name, "image": {"width": image.width, "height": image.height}, "box": image.box}
        for image in result.images
    ]


def _timing(result: Result) -> dict[str, float]:
    queue, compute, batch = result.timing
    return {"queue_ms": round(1000 * queue, 3), "compute_ms": round(1000 * compute, 3), "batch": batch}
