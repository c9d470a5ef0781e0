"""From a result of the service to the JSON of an answer."""

from serve.models import ServedModel
from serve.schemas import ClassifyAnswer, ModelDescription, PatchSemanticsAnswer
from serve.service import Result
from zoo.answers import patch_shares, patches, top_classes
from zoo.onnx_predictor import OnnxPredictor
from zoo.picture import class_colour
from zoo.registry import info


def classify_answer(model: ServedModel, result: Result, top_k: int) -> ClassifyAnswer:
    """The answer of `/classify`."""
    config = model.package.config
    results = [
        {**common, "classes": top_classes(logits, config.classes, top_k)}
        for common, logits in zip(_pictures(result), result.prediction.logits, strict=True)
    ]
    answer = {"model": config.identity(), "results": results, "timing": _timing(result)}
    # All of it at once takes half as long as object by object; so it does below.
    return ClassifyAnswer.model_validate(answer, from_attributes=True)


def patch_semantics_answer(model: ServedModel, result: Result, top_k: int) -> PatchSemanticsAnswer:
    """The answer of `/patch-semantics` in JSON."""
    config = model.package.config
    shares = patch_shares(result.prediction)
    more = {"grid": {"rows": shares.shape[2], "columns": shares.shape[3]}, "source": model.patch_source}
    results = [
        {**common, **more, "patches": patches(own, config.classes, top_k)}
        for common, own in zip(_pictures(result), shares, strict=True)
    ]
    answer = {"model": config.identity(), "results": results, "timing": _timing(result)}
    return PatchSemanticsAnswer.model_validate(answer, from_attributes=True)


def model_description(model: ServedModel, default: bool) -> ModelDescription:
    """A model in the answer of `/models`."""
    config, predictor = model.package.config, model.loaded and model.loaded.predictor
    onnx = predictor if isinstance(predictor, OnnxPredictor) else None
    return ModelDescription(
        **config.identity(),
        default=default,
        classes=list(config.classes),
        colours=[class_colour(index) for index in range(len(config.classes))],
        input_size=config.input_size,
        parameters=info(config.variant).parameters(len(config.classes)),
        loaded=predictor is not None,
        device=predictor.device if predictor else None,
        precision=onnx.precision if onnx else None,
        onnx_sha256=onnx.onnx_sha256 if onnx else None,
        patch_source=model.patch_source,
        metrics=model.package.metrics(),
        parity=model.package.parity(),
    )


def _pictures(result: Result) -> list[dict[str, object]]:
    return [{"file": picture.name, "picture": picture, "box": picture.box} for picture in result.pictures]


def _timing(result: Result) -> dict[str, float]:
    queue, compute, batch = result.timing
    return {"queue_ms": round(1000 * queue, 3), "compute_ms": round(1000 * compute, 3), "batch": batch}
