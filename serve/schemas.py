"""JSON schemas of the server's responses, also used by the client; their descriptions appear in the OpenAPI
document.
"""

from typing import Any

from pydantic import BaseModel, Field


class ModelIdentity(BaseModel):
    """Model that computed the answer."""

    name: str
    variant: str
    data: str
    weights_sha256: str


class Timing(BaseModel):
    queue_ms: float = Field(description="Time in the queue, in milliseconds.")
    compute_ms: float = Field(description="Time to compute the batch, in milliseconds.")
    batch: int = Field(description="Number of images in the batch, including those of other requests.")


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
        description="Part of the upright image passed to the network: left, top, right, bottom, in pixels."
    )


class Classification(ImageAnswer):
    classes: list[ClassProbability] = Field(description="Most probable classes, in descending order.")


class ClassifyAnswer(BaseModel):
    model: ModelIdentity
    results: list[Classification]
    timing: Timing


class NamedEntity(BaseModel):
    name: str
    kind: str = Field(description="`pure` (one class), `pair` (two), `generic` (many) or `none`.")


class PatchAnswer(BaseModel):
    label: str = Field(description="Class with the largest share.")
    probability: float = Field(description="Share of that class.")
    none: float = Field(description="Share that matches no class.")
    top: list[ClassProbability]
    entity: NamedEntity | None = Field(
        default=None,
        description="Nearest recurring mixture of classes; absent if the model has no entities.",
    )


class Grid(BaseModel):
    rows: int
    columns: int


class DeclaredMap(BaseModel):
    name: str = Field(description="Name of the network's output.")
    kind: str = Field(description="`class map`, `index map` or `scalar map`.")
    title: str
    legend: list[str] = Field(description="Names of a class map's channels, or of an index map's values.")
    colours: list[str] = Field(description="Colour of each name, as `#rrggbb`.")
    values: list[Any] = Field(description="Rows of the patch grid; for a class map, one grid per channel.")


class PatchSemantics(ImageAnswer):
    grid: Grid
    source: str = Field(description="`semantic block`, `auxiliary head` or `class activation map`.")
    patches: list[list[PatchAnswer]] = Field(description="Patches in rows; the grid divides the box evenly.")
    maps: list[DeclaredMap] | None = Field(
        default=None, description="Other maps that the network outputs; absent if there are none."
    )


class PatchSemanticsAnswer(BaseModel):
    model: ModelIdentity
    results: list[PatchSemantics]
    timing: Timing


class Occlusion(ImageAnswer):
    label: str = Field(description="Explained class.")
    logit: float = Field(description="Logit of that class for the whole image.")
    grid: Grid
    drops: list[list[float]] = Field(
        description="Decrease of the logit when each part of the box is replaced by the image's mean colour, in rows; "
        "the grid divides the box evenly."
    )


class OcclusionAnswer(BaseModel):
    model: ModelIdentity
    results: list[Occlusion]
    timing: Timing = Field(description="Sum over all batches; `batch` is the size of the largest.")


class Embedding(ImageAnswer):
    embedding: list[float | None] = Field(
        description="The features that the classifier sees, D numbers; null where one is not finite."
    )


class EmbedAnswer(BaseModel):
    model: ModelIdentity
    results: list[Embedding]
    timing: Timing


class NearestImage(BaseModel):
    name: str = Field(description="Name of the image in the index: its path, or its place in a data set.")
    label: str | None = Field(description="Class of the image in the index, if that has classes.")
    cosine: float = Field(description="Cosine of its embedding and that of the image of the request, from -1 to 1.")
    thumbnail: str | None = Field(default=None, description="Thumbnail as a data URI, if `thumbnails` was set.")


class SearchResult(ImageAnswer):
    nearest: list[NearestImage] = Field(description="Images of the index, the nearest first.")


class SearchAnswer(BaseModel):
    model: ModelIdentity
    results: list[SearchResult]
    timing: Timing


class ModelDescription(ModelIdentity):
    default: bool
    classes: list[str]
    colours: list[str] = Field(description="Colour of each class in semantic maps, as `#rrggbb`.")
    input_size: int
    parameters: int
    loaded: bool = Field(description="Whether the model is loaded; if not, it is loaded on first use.")
    device: str | None = Field(description="Device that runs the model, once it is loaded.")
    precision: str | None = Field(description="Precision of the ONNX file in use.")
    execution: str | None = Field(
        default=None,
        description="Engine and precision that compute, once it is loaded: `fp32`, `fp16` or `int8` with ONNX Runtime, "
        "or `openvino-fp32`, `openvino-bf16` or `openvino-int8`.",
    )
    onnx_sha256: str | None = Field(description="SHA-256 of that file; `parity` has its recorded parity check.")
    embedding_size: int | None = Field(
        default=None,
        description="D, the numbers in an embedding of `/embed`, once the model is loaded; null if its file has none.",
    )
    indexed: int | None = Field(
        default=None, description="Images in the index that `/search` searches; null if that is not of this model."
    )
    patch_source: str
    metrics: dict[str, Any] = Field(description="Training and evaluation metrics.")
    parity: dict[str, Any] = Field(description="Recorded parity checks against PyTorch, by execution and provider.")


class Problem(BaseModel):
    code: str = Field(description="Machine-readable error code.")
    message: str = Field(description="Human-readable message: the value, the limit and the remedy.")


class ErrorAnswer(BaseModel):
    error: Problem
