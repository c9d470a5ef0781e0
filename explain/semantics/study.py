"""Study of a model's patches over a whole split: entities, geometry, slack, and a search index."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from explain.receptive_field import receptive_radius
from explain.semantics.class_vectors import (
    CLASS_GROUPS,
    Hierarchy,
    Separation,
    build_hierarchy,
    class_means,
    measure_separation,
)
from explain.semantics.collect import Collected, collect
from explain.semantics.entities import Occurrences, find_entities, find_occurrences
from explain.semantics.geometry import Geometry, PatchMap, layout_patches, measure_geometry, standardise
from explain.semantics.slack import Slack, measure_slack
from explain.semantics.templates import TemplateTally, TemplateUse
from explain.stats import Estimate, proportion_estimate
from explain.tapping import Space, Tapped, class_vectors
from training.data.model_split import ModelData
from zoo.errors import InputError
from zoo.package import ModelConfig, Package
from zoo.package.entities import Entities
from zoo.predictors.torch import TorchPredictor

INDEX_FOLDER = "index"
"""Name of the index of patches inside a report's folder."""

TRAINING_IMAGES = 5000
EXAMPLES = 12
"""Number of patches shown per entity, and for the most slack."""
TEMPLATE_EXAMPLES = 8
"""Number of patches shown per template."""

Progress = Callable[[str, int, int], None]
"""Callback with the current step, the amount done, and the total."""


@dataclass(frozen=True, slots=True)
class AssignmentStudy:
    """Results that require a variant with an assignment."""

    entities: Entities
    occurrences: Occurrences
    slack: Slack
    vectors: Hierarchy
    separation: Separation | None
    """None for a data set without predefined groups."""
    templates: TemplateUse | None
    """None for one template per class."""


@dataclass(frozen=True, slots=True)
class PatchStudy:
    """All results of one model on one split."""

    config: ModelConfig
    data: str
    split: str
    seed: int
    training_images: int
    measured: Collected
    accuracy: Estimate
    """Accuracy of the network, 0..1."""
    radius: int
    """Effective receptive field: cells on each side of a patch."""
    geometry: Geometry
    separations: dict[Space, Separation]
    """Separation by the mean features of each class; empty for a data set without predefined groups."""
    patch_map: PatchMap
    assignment: AssignmentStudy | None


@dataclass(frozen=True, slots=True)
class StudySettings:
    """Data to study a model on."""

    data: ModelData
    split: str
    """Split to analyse (any but train)."""
    images: int | None = None
    """Number of images randomly sampled from the split; None for all."""
    training_images: int = TRAINING_IMAGES
    """Maximum number of randomly sampled training images, on which entities, neighbours and clusters are fitted."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.split == "train":
            raise InputError(
                "--split train: entities and clusters are fitted on training images; choose another split to analyse"
            )


def report_folder(variant: str, data: str, split: str) -> Path:
    """Default folder for the report of `zoo semantics`, which contains the index for `zoo search --patch`."""
    return Path("runs") / "semantics" / f"{variant}.{data}.{split}"


def run_study(
    package: Package, settings: StudySettings, folder: Path, progress: Progress = lambda what, done, total: None
) -> PatchStudy:
    """Study the patches of a model.

    Arguments:
        package: model directory.
        settings: data to study.
        folder: output folder; the index is written into its sub-folder `index/`.
        progress: called at each step.

    Raises:
        DataError: a split does not exist.
    """
    predictor = TorchPredictor.open(package)
    network, seed = predictor.network, settings.seed

    tally = TemplateTally(network.num_classes, TEMPLATE_EXAMPLES)

    def count_templates(tapped: Tapped) -> None:
        if tapped.templates is not None:
            tally.add(tapped.templates)

    def run(
        split: str, limit: int | None, where: Path, observe: Callable[[Tapped], None] = lambda tapped: None
    ) -> Collected:
        progress(f"reading {split} images", 0, 1)
        images = settings.data.load(split, limit)
        count, source = len(images.labels), f"{settings.data.name}, {split}"
        return collect(
            network,
            images,
            package.config,
            source,
            where,
            seed,
            lambda done: progress(f"{split} images", done, count),
            observe,
        )

    with TemporaryDirectory(dir=folder, prefix=".training.", ignore_cleanup_errors=True) as temporary:
        train = run("train", settings.training_images, Path(temporary) / INDEX_FOLDER)
        radius = receptive_radius(network, train.images.images.numpy())
        entities = None
        if train.index is not None:
            progress("entities", 0, 5)
            entities = find_entities(train.index, settings.data.name, seed)
    measured = run(settings.split, settings.images, folder / INDEX_FOLDER, count_templates)
    labels = measured.images.labels.numpy()
    accuracy = proportion_estimate(measured.predicted == labels, seed)
    progress("geometry", 1, 5)
    geometry = measure_geometry(train.sample, measured.sample, len(labels), len(measured.images.classes), seed)
    progress("map", 2, 5)
    spaces = tuple(space for space in ("before", "after") if space in measured.sample.spaces)
    patch_map = layout_patches(train.sample, measured.sample, spaces, seed)
    assignment = None
    if entities is not None and measured.index is not None:
        progress("occurrences of the entities", 3, 5)
        occurrences = find_occurrences(measured.index, entities, seed, EXAMPLES)
        progress("slack", 4, 5)
        slack = measure_slack(measured.index, seed, EXAMPLES)
        vectors = class_vectors(network)
        assert vectors is not None
        tree, groups = build_hierarchy(vectors), CLASS_GROUPS.get(package.config.data)
        parted = measure_separation(tree, package.config.classes, groups) if groups else None
        templates = tally.measure(seed) if package.config.templates > 1 else None
        assignment = AssignmentStudy(entities, occurrences, slack, tree, parted, templates)
    return PatchStudy(
        config=package.config,
        data=settings.data.name,
        split=settings.split,
        seed=seed,
        training_images=len(train.images.labels),
        measured=measured,
        accuracy=accuracy,
        radius=radius,
        geometry=geometry,
        separations=_separations(train, measured, package.config),
        patch_map=patch_map,
        assignment=assignment,
    )


def _separations(train: Collected, measured: Collected, config: ModelConfig) -> dict[Space, Separation]:
    groups, found = CLASS_GROUPS.get(config.data), {}
    for space, features in measured.sample.spaces.items():
        _, standard = standardise(train.sample.spaces[space], features)
        means = class_means(standard, measured.sample.label, len(config.classes))
        if groups and means is not None:
            found[space] = measure_separation(build_hierarchy(means), config.classes, groups)
    return found
