"""Example responses in the OpenAPI document: shortened, and built from the real response types."""

from dataclasses import asdict

from prometheus_client import Metric, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from serve.metrics import REQUESTS
from serve.schemas import (
    Classification,
    ClassifyAnswer,
    ClassProbability,
    EmbedAnswer,
    Embedding,
    Grid,
    ModelDescription,
    ModelIdentity,
    NamedEntity,
    NearestImage,
    Occlusion,
    OcclusionAnswer,
    PatchAnswer,
    PatchSemantics,
    PatchSemanticsAnswer,
    SearchAnswer,
    SearchResult,
    Size,
    Timing,
)
from zoo.package.metrics import Score
from zoo.registry import info
from zoo.semantic_map import class_colour

_CLASSES = ["cat", "dog"]
_MODEL = ModelIdentity(name="wrn16-ours.pets", variant="wrn16-ours", data="pets", weights_sha256="2e414840" * 8)
_TOP = [ClassProbability(label="cat", probability=0.9722), ClassProbability(label="dog", probability=0.0278)]
_TIMING = Timing(queue_ms=0.213, compute_ms=6.514, batch=1)
_SCORE = Score(images=10_000, accuracy=90.55, patch_accuracy=86.12, weights_sha256=_MODEL.weights_sha256)
_SIZE, _BOX = Size(width=451, height=300), (75.5, 0.0, 375.5, 300.0)

CLASSIFY = ClassifyAnswer(
    model=_MODEL,
    results=[Classification(file="cat.jpg", image=_SIZE, box=_BOX, classes=_TOP)],
    timing=_TIMING,
)

PATCH_SEMANTICS = PatchSemanticsAnswer(
    model=_MODEL,
    results=[
        PatchSemantics(
            file="cat.jpg",
            image=_SIZE,
            box=_BOX,
            grid=Grid(rows=1, columns=1),
            source=info(_MODEL.variant).patch_source,
            patches=[
                [
                    PatchAnswer(
                        label="cat",
                        probability=0.6938,
                        none=0.0128,
                        top=[ClassProbability(label="cat", probability=0.6938)],
                        entity=NamedEntity(name="cat + dog", kind="pair"),
                    )
                ]
            ],
        )
    ],
    timing=_TIMING,
)

EMBED = EmbedAnswer(
    model=_MODEL,
    results=[Embedding(file="cat.jpg", image=_SIZE, box=_BOX, embedding=[0.31, 0.0, 1.74])],
    timing=_TIMING,
)

OCCLUSION = OcclusionAnswer(
    model=_MODEL,
    results=[
        Occlusion(
            file="cat.jpg",
            image=_SIZE,
            box=_BOX,
            label="cat",
            logit=7.24,
            grid=Grid(rows=1, columns=2),
            drops=[[0.84, -0.41]],
        )
    ],
    timing=_TIMING,
)

SEARCH = SearchAnswer(
    model=_MODEL,
    results=[
        SearchResult(
            file="cat.jpg",
            image=_SIZE,
            box=_BOX,
            nearest=[NearestImage(name="photos/tabby.jpg", label=None, cosine=0.9731)],
        )
    ],
    timing=_TIMING,
)

MODEL = ModelDescription(
    **_MODEL.model_dump(),
    default=True,
    classes=_CLASSES,
    colours=[class_colour(index) for index in range(len(_CLASSES))],
    input_size=32,
    parameters=info(_MODEL.variant).parameters(len(_CLASSES)),
    loaded=True,
    device="ONNX Runtime on the CPU",
    precision="fp32",
    execution="fp32",
    onnx_sha256="9d0c7b5e" * 8,
    embedding_size=128,
    indexed=10_000,
    patch_source=info(_MODEL.variant).patch_source,
    metrics={"test": {"torch": {name: value for name, value in asdict(_SCORE).items() if value is not None}}},
    parity={"fp32": {"CPUExecutionProvider": {"passed": True}}},
)


class _OneAnswer(Collector):
    """Request counter after a single request.

    Not a `Counter`, whose value would be added to the real one in a server with several processes.
    """

    def collect(self) -> list[Metric]:
        name, explanation, labels = REQUESTS
        counter = CounterMetricFamily(name, explanation, labels=labels)
        counter.add_metric(["/classify", "200", _MODEL.name], 1)
        return [counter]


METRICS = generate_latest(_OneAnswer()).decode()
