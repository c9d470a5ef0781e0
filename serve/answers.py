"""From a result of the service to the JSON of an answer."""

from typing import Any

from serve.models import ServedModel
from serve.schemas import (
    Classification,
    ClassifyAnswer,
    ClassProbability,
    Grid,
    ModelDescription,
    ModelIdentity,
    PatchAnswer,
    PatchSemantics,
    PatchSemanticsAnswer,
    Size,
    Timing,
)
from serve.service import Result
from zoo.answers import ClassShare, Patch, patch_shares, patches, top_classes
from zoo.onnx_predictor import OnnxPredictor
from zoo.picture import class_colour
from zoo.registry import info


def classify_answer(model: ServedModel, result: Result, top_k: int) -> ClassifyAnswer:
    """The answer of `/classify`."""
    classes = model.package.config.classes
    results = [
        Classification(**common, classes=_shares(top_classes(logits, classes, top_k)))
        for common, logits in zip(_pictures(result), result.prediction.logits, strict=True)
    ]
    return ClassifyAnswer(model=_identity(model), results=results, timing=_timing(result))


def patch_semantics_answer(model: ServedModel, result: Result, top_k: int) -> PatchSemanticsAnswer:
    """The answer of `/patch-semantics` in JSON."""
    classes = model.package.config.classes
    shares = patch_shares(result.prediction)
    grid = Grid(rows=shares.shape[2], columns=shares.shape[3])
    results = [
        PatchSemantics(
            **common,
            grid=grid,
            source=model.patch_source,
            patches=[[_patch(patch) for patch in row] for row in patches(own, classes, top_k)],
        )
        for common, own in zip(_pictures(result), shares, strict=True)
    ]
    return PatchSemanticsAnswer(model=_identity(model), results=results, timing=_timing(result))


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


def _identity(model: ServedModel) -> ModelIdentity:
    return ModelIdentity(**model.package.config.identity())


def _shares(shares: tuple[ClassShare, ...]) -> list[ClassProbability]:
    return [ClassProbability(label=share.label, probability=share.probability) for share in shares]


def _patch(patch: Patch) -> PatchAnswer:
    return PatchAnswer(label=patch.label, probability=patch.probability, none=patch.none, top=_shares(patch.top))


def _pictures(result: Result) -> list[dict[str, Any]]:
    return [
        {
            "file": picture.name,
            "picture": Size(width=picture.width, height=picture.height),
            "box": tuple(picture.box),
        }
        for picture in result.pictures
    ]


def _timing(result: Result) -> Timing:
    queue, compute, batch = result.timing
    return Timing(queue_ms=round(1000 * queue, 3), compute_ms=round(1000 * compute, 3), batch=batch)
