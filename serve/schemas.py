"""The JSON that the server writes; field descriptions appear in its OpenAPI document."""

from typing import Any

from pydantic import BaseModel, Field

from serve.service import Result, ServedModel
from zoo.answers import ClassShare, Patch, patch_shares, patches, top_classes
from zoo.onnx_predictor import OnnxPredictor
from zoo.registry import info


class ModelIdentity(BaseModel):
    """Which weights answered."""

    name: str
    variant: str
    data: str
    weights_sha256: str

    @staticmethod
    def of(model: ServedModel) -> "ModelIdentity":
        return ModelIdentity(**model.package.config.identity())


class Timing(BaseModel):
    queue_ms: float = Field(description="Waiting for the batch.")
    compute_ms: float = Field(description="Computing the batch.")
    batch: int = Field(description="Pictures in the batch, those of other requests included.")


class Size(BaseModel):
    width: int
    height: int


class ClassProbability(BaseModel):
    label: str
    probability: float

    @staticmethod
    def of(share: ClassShare) -> "ClassProbability":
        return ClassProbability(label=share.label, probability=share.probability)


class PictureAnswer(BaseModel):
    file: str
    picture: Size = Field(description="The upright picture, in pixels.")
    box: tuple[float, float, float, float] = Field(
        description="The part of the upright picture that the network saw: left, top, right, bottom, in its pixels."
    )


class Classification(PictureAnswer):
    classes: list[ClassProbability] = Field(description="The most probable classes, best first.")


class ClassifyAnswer(BaseModel):
    model: ModelIdentity
    results: list[Classification]
    timing: Timing


class PatchAnswer(BaseModel):
    label: str = Field(description="The strongest class.")
    probability: float = Field(description="Its share of the patch.")
    none: float = Field(description="The share that matches no class.")
    top: list[ClassProbability]

    @staticmethod
    def of(patch: Patch) -> "PatchAnswer":
        top = [ClassProbability.of(share) for share in patch.top]
        return PatchAnswer(label=patch.label, probability=patch.probability, none=patch.none, top=top)


class Grid(BaseModel):
    rows: int
    columns: int


class PatchSemantics(PictureAnswer):
    grid: Grid
    source: str = Field(description="`semantic block`, `auxiliary head` or `class activation map`.")
    patches: list[list[PatchAnswer]] = Field(description="Row by row; the grid covers the box evenly.")


class PatchSemanticsAnswer(BaseModel):
    model: ModelIdentity
    results: list[PatchSemantics]
    timing: Timing


class ModelDescription(ModelIdentity):
    default: bool
    classes: list[str]
    input_size: int
    parameters: int
    device: str
    precision: str | None = Field(description="Of the ONNX file that answers.")
    onnx_sha256: str | None = Field(description="Of that file; `parity` says what was proved of it.")
    patch_source: str
    metrics: dict[str, Any] = Field(description="How it was trained and how accurate it is.")
    parity: dict[str, Any] = Field(description="How far its ONNX files are from its network, by precision.")

    @staticmethod
    def describe(model: ServedModel, default: bool) -> "ModelDescription":
        config, predictor = model.package.config, model.batcher.predictor
        onnx = predictor if isinstance(predictor, OnnxPredictor) else None
        return ModelDescription(
            **config.identity(),
            default=default,
            classes=list(config.classes),
            input_size=config.input_size,
            parameters=info(config.variant).parameters(len(config.classes)),
            device=predictor.device,
            precision=onnx.precision if onnx else None,
            onnx_sha256=onnx.onnx_sha256 if onnx else None,
            patch_source=model.patch_source,
            metrics=model.package.metrics(),
            parity=model.package.parity(),
        )


class Problem(BaseModel):
    code: str = Field(description="A short name for programs.")
    message: str = Field(description="The value, the limit and the remedy.")


class ErrorAnswer(BaseModel):
    error: Problem


def classify_answer(model: ServedModel, result: Result, top_k: int) -> ClassifyAnswer:
    """The answer of `/classify`."""
    classes = model.package.config.classes
    results = [
        Classification(
            **common,
            classes=[ClassProbability.of(share) for share in top_classes(logits, classes, top_k)],
        )
        for common, logits in zip(_pictures(result), result.prediction.logits, strict=True)
    ]
    return ClassifyAnswer(model=ModelIdentity.of(model), results=results, timing=_timing(result))


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
            patches=[[PatchAnswer.of(patch) for patch in row] for row in patches(own, classes, top_k)],
        )
        for common, own in zip(_pictures(result), shares, strict=True)
    ]
    return PatchSemanticsAnswer(model=ModelIdentity.of(model), results=results, timing=_timing(result))


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
