"""Headline results of a study, with their intervals, as JSON."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from explain.semantics.geometry import SpaceQuality
from explain.semantics.study import AssignmentStudy, PatchStudy
from explain.semantics.templates import PERMUTATIONS, TemplateUse
from explain.stats import CONFIDENCE_LEVEL, RESAMPLES, Estimate

SUMMARY_FILE = "summary.json"

EXPECTED_PAIRS: Mapping[str, Mapping[str, tuple[str, str]]] = MappingProxyType(
    {"cifar10": {"wing": ("bird", "airplane"), "tyre": ("automobile", "truck")}}
)
"""Object parts shared by two classes according to the paper, by data set."""


def summary(study: PatchStudy) -> dict[str, Any]:
    """Summary of a study. Shares are in 0..1; estimates are `{value, low, high}`, with 95% bootstrap intervals over
    images.
    """
    rows, columns = study.measured.grid
    found: dict[str, Any] = {
        "model": study.config.identity(),
        "data": study.data,
        "split": study.split,
        "images": len(study.measured.images.labels),
        "grid": {"rows": rows, "columns": columns},
        "training_images": study.training_images,
        "seed": study.seed,
        "intervals": {"level": CONFIDENCE_LEVEL, "unit": "image", "resamples": RESAMPLES},
        "accuracy": _estimate(study.accuracy),
        "surroundings": {"cells": study.radius},
        "geometry": {space: _quality(quality) for space, quality in study.geometry.qualities.items()},
        "geometry_change": {space: _quality(quality) for space, quality in study.geometry.changes.items()},
        "class_means": {space: one._asdict() for space, one in study.separations.items()},
        "not_possible": limitations(study),
    }
    return found if study.assignment is None else found | _assignment_summary(study.assignment, study.data)


def limitations(study: PatchStudy) -> list[str]:
    """Sentences about the results that are not available for a variant without an assignment."""
    if study.assignment is not None:
        return []
    name = study.config.variant
    return [
        f"{name} has no semantic block: its patches have no assignment, and thus neither entities nor slack, and "
        "cannot be searched by assignment.",
        "It has no class vectors, and features only before, not after a block.",
    ]


def find_expected_pairs(assignment: AssignmentStudy, data: str) -> dict[str, dict[str, Any]]:
    """Pairs that the paper reports for a data set, each with its entity if it was found."""
    pairs = {}
    classes = assignment.entities.classes
    for part, pair in EXPECTED_PAIRS.get(data, {}).items():
        pairs[part] = {"classes": list(pair), "found": False}
        for index, entity in enumerate(assignment.entities.entities):
            strongest = sorted(range(len(classes)), key=lambda c: -entity.mixture[c])[:2]
            if entity.kind == "pair" and {classes[c] for c in strongest} == set(pair):
                own = assignment.occurrences.by_class[index]
                inside = sum(int(own[classes.index(name)]) for name in pair) / max(int(own.sum()), 1)
                pairs[part] |= {
                    "found": True,
                    "name": entity.name,
                    "training_frequency": entity.frequency,
                    "frequency": _estimate(assignment.occurrences.frequency[index]),
                    "in_images_of_the_two": inside,
                }
    return pairs


def _assignment_summary(assignment: AssignmentStudy, data: str) -> dict[str, Any]:
    entities, slack = assignment.entities.entities, assignment.slack
    frequencies = assignment.occurrences.frequency
    kinds: dict[str, Any] = {}
    for entity, frequency in zip(entities, frequencies, strict=True):
        kind = kinds.setdefault(entity.kind, {"entities": 0, "frequency": 0.0})
        kind["entities"] += 1
        kind["frequency"] += frequency.value
    named = [
        {"name": entity.name, "kind": entity.kind, "training_frequency": entity.frequency}
        | {"frequency": _estimate(frequency)}
        for entity, frequency in zip(entities, frequencies, strict=True)
    ]
    without = [
        one._asdict() | {name: _estimate(getattr(one, name)) for name in ("accuracy", "change")}
        for one in slack.filtered_votes
    ]
    return {
        "entities": {
            "clusters": assignment.entities.found_on.clusters,
            "kinds": kinds,
            "searched": find_expected_pairs(assignment, data),
            "all": named,
        },
        "class_vectors": None if assignment.separation is None else assignment.separation._asdict(),
        "slack": {
            "none": _estimate(slack.mean),
            "none_by_class": {
                name: _estimate(one) for name, one in zip(assignment.entities.classes, slack.by_class, strict=True)
            },
            "vote_accuracy": _estimate(slack.vote_accuracy),
            "without": without,
        },
        "templates": assignment.templates and _templates_summary(assignment.templates, assignment.entities.classes),
    }


def _templates_summary(use: TemplateUse, classes: Sequence[str]) -> dict[str, Any]:
    """Usage in shares, and information in bits per patch."""
    position = use.position
    by_class = zip(classes, use.usage.tolist(), use.perplexity.tolist(), use.patch_perplexity.tolist(), strict=True)
    return {
        "per_class": use.usage.shape[1],
        "by_class": {
            name: {"usage": usage, "perplexity": perplexity, "patch_perplexity": within}
            for name, usage, perplexity, within in by_class
        },
        "position": {
            "patches": position.patches,
            "information": position.information,
            "entropy": position.entropy,
            "permutations": PERMUTATIONS,
            "permuted_within": {within: null._asdict() for within, null in position.nulls.items()},
        },
    }


def _quality(quality: SpaceQuality) -> dict[str, Any]:
    return {name: _estimate(estimate) for name, estimate in quality._asdict().items()}


def _estimate(estimate: Estimate) -> dict[str, float]:
    return estimate._asdict()
