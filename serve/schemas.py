"""The JSON that the server writes and its client reads; field descriptions appear in the OpenAPI document."""

from typing import Any

from pydantic import BaseModel, Field


class ModelIdentity(BaseModel):
    """The weights that answered."""

    name: str
    variant: str
    data: str
    weights_sha256: str


class Timing(BaseModel):
    queue_ms: float = Field(description="Time waiting for the batch, in milliseconds.")
    compute_ms: float = Field(description="Time computing the batch, in milliseconds.")
    batch: int = Field(description="Images in the batch, those of other requests included.")


class Size(BaseModel):
    width: int
    height: int


class ClassProbability(BaseModel):
    label: str
    probability: float


class ImageAnswer(BaseModel):
    file: str
    image: Size = Field(description="Size of the upright image, in pixels.")
    box: tuple[float, float, float, float] = Field(
        description="The part of the upright image that the network saw: left, top, right, bottom, in its pixels."
    )


class Classification(ImageAnswer):
    classes: list[ClassProbability] = Field(description="The most probable classes, best first.")


class ClassifyAnswer(BaseModel):
    model: ModelIdentity
    results: list[Classification]
    timing: Timing


class NamedEntity(BaseModel):
    name: str
    kind: str = Field(description="`pure` (one class), `pair` (two), `generic` (many) or `none`.")


class PatchAnswer(BaseModel):
    label: str = Field(description="The strongest class.")
    probability: float = Field(description="Its share of the patch.")
    none: float = Field(description="The share that matches no class.")
    top: list[ClassProbability]
    entity: NamedEntity | None = Field(
        default=None,
        description="The recurring mixture of classes that is nearest; absent where the model has no entities.",
    )


class Grid(BaseModel):
    rows: int
    columns: int


class DeclaredMap(BaseModel):
    name: str = Field(description="Of the network's output.")
    kind: str = Field(description="`class map`, `index map` or `scalar map`.")
    title: str
    legend: list[str] = Field(description="Names of a class map's entries, or of an index map's values.")
    colours: list[str] = Field(description="Of each of them, as `#rrggbb`.")
    values: list[Any] = Field(description="Rows of the patch grid; of a class map one grid for each entry.")


class PatchSemantics(ImageAnswer):
    grid: Grid
    source: str = Field(description="`semantic block`, `auxiliary head` or `class activation map`.")
    patches: list[list[PatchAnswer]] = Field(description="Row by row; the grid covers the box evenly.")
    maps: list[DeclaredMap] | None = Field(
        default=None, description="Other maps that the network gives; absent where it gives none."
    )


class PatchSemanticsAnswer(BaseModel):
    model: ModelIdentity
    results: list[PatchSemantics]
    timing: Timing


class ModelDescription(ModelIdentity):
    default: bool
    classes: list[str]
    colours: list[str] = Field(description="Colour of each class in semantic maps, as `#rrggbb`.")
    input_size: int
    parameters: int
    loaded: bool = Field(description="Whether it is loaded; else it is loaded on first use.")
    device: str | None = Field(description="Device that computes it, once it is loaded.")
    precision: str | None = Field(description="Precision of the ONNX file that answers.")
    onnx_sha256: str | None = Field(description="Digest of that file; `parity` has its recorded parity check.")
    patch_source: str
    metrics: dict[str, Any] = Field(description="How it was trained and how accurate it is.")
    parity: dict[str, Any] = Field(description="How far its ONNX files are from its network, by precision.")


class Problem(BaseModel):
    code: str = Field(description="A short name for programs.")
    message: str = Field(description="The value, the limit and the remedy.")


class ErrorAnswer(BaseModel):
    error: Problem
