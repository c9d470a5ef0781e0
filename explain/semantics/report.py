"""HTML report of a study, with its tables and images."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from PIL import Image

from explain.html import image_uri, png_uri, render
from explain.semantics.class_vectors import Separation
from explain.semantics.entities import KIND_LABELS
from explain.semantics.figures import (
    QUALITY_LABELS,
    SPACE_LABELS,
    hierarchy_figure,
    map_figure,
    quality_figure,
    slack_figure,
)
from explain.semantics.sheet import draw_entities, draw_templates
from explain.semantics.study import AssignmentStudy, PatchStudy
from explain.semantics.summary import SUMMARY_FILE, find_expected_pairs, limitations, summary
from explain.semantics.tables import write_tables
from explain.semantics.templates import PERMUTATIONS, TemplateUse
from zoo.cutouts import cut_out_pixels
from zoo.files import png_bytes, write_atomically, write_json
from zoo.outputs import NONE
from zoo.search.patches import Match
from zoo.semantic_map import class_colour, label_colours

REPORT_FILE = "report.html"
ENTITIES_SHEET, TEMPLATES_SHEET = "entities.png", "templates.png"
MAX_TEMPLATES_SHOWN = 128
"""Maximum number of templates whose strongest patches are shown, so that a page for many classes can be opened."""
SMALLEST_SHARE = 0.02
"""Smallest share shown in an entity's bar, where smaller ones are combined, and smallest usage of a template shown."""


def write_report(study: PatchStudy, folder: Path) -> Path:
    """Write the page, the tables and the summary of a study into a folder; returns the path of the page."""
    tables = write_tables(study, folder)
    write_json(folder / SUMMARY_FILE, summary(study))
    sheets = _sheets(study, study.assignment) if study.assignment else {}
    page = render(
        "semantics.html",
        study=study,
        images=len(study.measured.images.labels),
        limits=limitations(study),
        separations=_separations(study),
        measures=QUALITY_LABELS,
        spaces=SPACE_LABELS,
        quality=Markup(quality_figure(study.geometry)),
        map=png_uri(map_figure(study)),
        legend=[(name, class_colour(index)) for index, name in enumerate(study.config.classes[:12])],
        files=[SUMMARY_FILE, *tables, *sheets],
        **(_assignment_values(study, study.assignment) if study.assignment else {"assignment": None}),
    )
    for name, sheet in sheets.items():
        write_atomically(folder / name, png_bytes(sheet))
    file = folder / REPORT_FILE
    write_atomically(file, page.encode())
    return file


def _sheets(study: PatchStudy, assignment: AssignmentStudy) -> dict[str, Image.Image]:
    """Images of patches by the name of their file."""
    sheets = {ENTITIES_SHEET: draw_entities(study, assignment)}
    if assignment.templates:
        sheets[TEMPLATES_SHEET] = draw_templates(study, assignment.templates)
    return sheets


def _separations(study: PatchStudy) -> dict[str, Separation]:
    """Separations by the name of the compared vectors."""
    found = {f"class means, {SPACE_LABELS[space]}": one for space, one in study.separations.items()}
    if study.assignment is not None and study.assignment.separation is not None:
        return {"class vectors": study.assignment.separation, **found}
    return found


def _assignment_values(study: PatchStudy, assignment: AssignmentStudy) -> dict[str, Any]:
    classes, slack = study.config.classes, assignment.slack
    entities = [
        {
            "entity": entity,
            "frequency": assignment.occurrences.frequency[index],
            "bar": _bar(entity.mixture, classes),
            "classes": _most_frequent_classes(assignment.occurrences.by_class[index], classes),
            "examples": _cutouts(study, assignment.occurrences.examples[index]),
        }
        for index, entity in enumerate(assignment.entities.entities)
    ]
    found = {entity.kind for entity in assignment.entities.entities}
    most = max((one.value for one in slack.by_class), default=0) or 1
    return {
        "assignment": assignment,
        "entities": entities,
        "kinds": {kind: label.capitalize() for kind, label in KIND_LABELS.items() if kind in found},
        "searched": find_expected_pairs(assignment, study.data),
        "hierarchy": Markup(hierarchy_figure(assignment.vectors, classes)),
        "none_by_class": [(n, one, one.value / most) for n, one in zip(classes, slack.by_class, strict=True)],
        "by_cell": slack.by_cell,
        "most_in_a_cell": float(slack.by_cell.max()) or 1,
        "slack_figure": Markup(slack_figure(slack)),
        "highest": _cutouts(study, slack.highest),
        "templates": assignment.templates and _template_values(study, assignment.templates),
    }


def _template_values(study: PatchStudy, use: TemplateUse) -> dict[str, Any]:
    """Usage of each class's templates, and the strongest patches of those of the first classes."""
    classes, (_, per_class) = study.config.classes, use.usage.shape
    colours = label_colours(tuple(classes) * per_class, per_class)
    shown = max(MAX_TEMPLATES_SHOWN // per_class, 1)
    return {
        "per_class": per_class,
        "classes": [
            {
                "name": name,
                "perplexity": use.perplexity[index],
                "patch_perplexity": use.patch_perplexity[index],
                "templates": [
                    {
                        "number": number + 1,
                        "usage": float(use.usage[index, number]),
                        "colour": colours[place],
                        "examples": _cutouts(study, use.strongest[place])
                        if index < shown and use.usage[index, number] >= SMALLEST_SHARE
                        else [],
                    }
                    for number in np.argsort(-use.usage[index], kind="stable").tolist()
                    for place in [index * per_class + number]
                ],
            }
            for index, name in enumerate(classes)
        ],
        "shown": shown,
        "smallest": SMALLEST_SHARE,
        "permutations": PERMUTATIONS,
        "position": use.position,
    }


def _bar(mixture: Sequence[float], classes: Sequence[str]) -> list[tuple[str, float, str]]:
    """Name, share and colour of the parts of a mixture in descending order, then `none` and the combined small ones."""
    *shares, none = mixture
    order = [
        index for index in np.argsort(-np.array(shares), kind="stable").tolist() if shares[index] >= SMALLEST_SHARE
    ]
    parts = [(classes[index], shares[index], class_colour(index)) for index in order]
    if none >= SMALLEST_SHARE:
        parts.append((NONE, none, "#20242b"))
    rest = 1 - sum(share for _, share, _ in parts)
    return parts + ([("others", rest, "#80808055")] if rest >= SMALLEST_SHARE / 2 else [])


def _most_frequent_classes(counts: np.ndarray, classes: Sequence[str]) -> list[tuple[str, float]]:
    """The three most frequent classes of the images in which an entity occurs, with their shares."""
    order = np.argsort(-counts, kind="stable")[:3].tolist()
    return [(classes[index], counts[index] / max(counts.sum(), 1)) for index in order if counts[index]]


def _cutouts(study: PatchStudy, matches: Sequence[Match]) -> list[dict[str, str]]:
    images, labels = study.measured.images.images.numpy(), study.measured.images.labels
    return [
        {
            "url": image_uri(cut_out_pixels(images[m.image], study.measured.grid, m.place, study.radius)),
            "title": f"{study.config.classes[int(labels[m.image])]}, image {m.image}, row {m.row}, column {m.column}, "
            f"distance {m.distance:.3f}",
        }
        for m in matches
    ]
