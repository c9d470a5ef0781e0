"""A study as a page that needs nothing else."""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from explain.bootstrap import Estimate
from explain.cutouts import cut_out, data_url
from explain.semantics.class_vectors import Separation
from explain.semantics.entities_picture import draw_entities
from explain.semantics.figures import MEASURES, SPACES, hierarchy_figure, map_figure, quality_figure, slack_figure
from explain.semantics.study import Assigned, Study
from explain.semantics.summary import SUMMARY_FILE, not_possible, searched, summary
from explain.semantics.tables import write_tables
from explain.similar.nearest import Match
from zoo.files import png_bytes, write_atomically, write_json
from zoo.outputs import NONE
from zoo.semantic_map import class_colour

REPORT_FILE = "report.html"
ENTITIES_PICTURE = "entities.png"
SMALLEST_SHARE = 0.02
"""Shown in an entity's bar; smaller ones are summed up."""
KINDS = {
    "pure": "One class",
    "pair": "Two classes",
    "generic": "Many classes",
    "none": "No class",
}


def write_report(study: Study, folder: Path) -> Path:
    """Write the page, the tables and the summary of a study into a folder; returns the page."""
    tables = write_tables(study, folder)
    write_json(folder / SUMMARY_FILE, summary(study))
    environment = Environment(
        loader=PackageLoader("explain.semantics", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {"percent": percent, "number": number}
    page = environment.get_template("semantics.html").render(
        study=study,
        images=len(study.measured.images.labels),
        limits=not_possible(study),
        separations=_separations(study),
        measures=MEASURES,
        spaces=SPACES,
        quality=Markup(quality_figure(study.geometry)),
        map=f"data:image/png;base64,{base64.b64encode(map_figure(study)).decode()}",
        legend=[(name, class_colour(index)) for index, name in enumerate(study.config.classes[:12])],
        files=[SUMMARY_FILE, *tables, *([ENTITIES_PICTURE] if study.assigned else [])],
        **(_assigned(study, study.assigned) if study.assigned else {"assigned": None}),
    )
    if study.assigned:
        write_atomically(folder / ENTITIES_PICTURE, png_bytes(draw_entities(study, study.assigned)))
    file = folder / REPORT_FILE
    write_atomically(file, page.encode())
    return file


def percent(estimate: Estimate | float, digits: int = 1) -> str:
    """`91.2% (90.6 to 91.7)`, or without the interval."""
    if isinstance(estimate, Estimate):
        value, low, high = (100 * one for one in estimate)
        return f"{value:.{digits}f}% ({low:.{digits}f} to {high:.{digits}f})"
    return f"{100 * estimate:.{digits}f}%"


def number(estimate: Estimate, digits: int = 3) -> str:
    """As `percent`, of what is no share."""
    return f"{estimate.value:.{digits}f} ({estimate.low:.{digits}f} to {estimate.high:.{digits}f})"


def _separations(study: Study) -> dict[str, Separation]:
    """By the name of what separates or does not."""
    found = {f"class means, {SPACES[space]}": one for space, one in study.separations.items()}
    if study.assigned is not None and study.assigned.separation is not None:
        return {"class vectors": study.assigned.separation, **found}
    return found


def _assigned(study: Study, assigned: Assigned) -> dict[str, Any]:
    classes, slack = study.config.classes, assigned.slack
    entities = [
        {
            "entity": entity,
            "frequency": assigned.occurrences.frequency[index],
            "bar": _bar(entity.mixture, classes),
            "classes": _share_of_classes(assigned.occurrences.by_class[index], classes),
            "examples": _pictures(study, assigned.occurrences.examples[index]),
        }
        for index, entity in enumerate(assigned.entities.entities)
    ]
    found = {entity.kind for entity in assigned.entities.entities}
    most = max((one.value for one in slack.by_class), default=0) or 1
    return {
        "assigned": assigned,
        "entities": entities,
        "kinds": {kind: title for kind, title in KINDS.items() if kind in found},
        "searched": searched(assigned, study.data),
        "hierarchy": Markup(hierarchy_figure(assigned.vectors, classes)),
        "none_by_class": [(n, one, one.value / most) for n, one in zip(classes, slack.by_class, strict=True)],
        "by_cell": slack.by_cell,
        "most_in_a_cell": float(slack.by_cell.max()) or 1,
        "slack_figure": Markup(slack_figure(slack)),
        "highest": _pictures(study, slack.highest),
    }


def _bar(mixture: Sequence[float], classes: Sequence[str]) -> list[tuple[str, float, str]]:
    """Name, share and colour of the parts of a mixture, the largest first, `none` and what is too small last."""
    *shares, none = mixture
    order = [
        index for index in np.argsort(-np.array(shares), kind="stable").tolist() if shares[index] >= SMALLEST_SHARE
    ]
    parts = [(classes[index], shares[index], class_colour(index)) for index in order]
    if none >= SMALLEST_SHARE:
        parts.append((NONE, none, "#20242b"))
    rest = 1 - sum(share for _, share, _ in parts)
    return parts + ([("others", rest, "#80808055")] if rest >= SMALLEST_SHARE / 2 else [])


def _share_of_classes(counts: np.ndarray, classes: Sequence[str]) -> list[tuple[str, float]]:
    """The three classes in whose images an entity is most."""
    order = np.argsort(-counts, kind="stable")[:3].tolist()
    return [(classes[index], counts[index] / max(counts.sum(), 1)) for index in order if counts[index]]


def _pictures(study: Study, matches: Sequence[Match]) -> list[dict[str, str]]:
    images, labels = study.measured.images.images.numpy(), study.measured.images.labels
    return [
        {
            "url": data_url(cut_out(images[m.image], study.measured.grid, m.row, m.column, study.around)),
            "title": f"{study.config.classes[int(labels[m.image])]}, image {m.image}, row {m.row}, column {m.column}, "
            f"distance {m.distance:.3f}",
        }
        for m in matches
    ]
