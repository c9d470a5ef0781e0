"""Headline numbers of reports of `zoo semantics`, as needed for claims."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from explain.semantics.summary import SUMMARY_FILE
from explain.stats import Estimate
from reproduction.claims.finding import ClaimsError, Finding, FindingTable, Number, Verdict
from zoo.errors import reason_of
from zoo.files import invalid_fields


@dataclass(frozen=True, slots=True)
class Groups:
    """Separation of two groups of classes, by the distances of their class vectors."""

    groups: dict[str, tuple[str, ...]]
    within: float
    between: float
    groupings: int
    p: float
    first_split: bool


@dataclass(frozen=True, slots=True)
class KindCount:
    """Number and share of the entities of one kind."""

    entities: int
    frequency: float
    """Share of the patches."""


@dataclass(frozen=True, slots=True)
class Searched:
    """A mixture of two classes that was searched for."""

    classes: tuple[str, str]
    found: bool
    frequency: Estimate | None = None
    """Share of the patches."""
    in_images_of_the_two: float | None = None
    """Share of its patches that are in images of the two classes."""


@dataclass(frozen=True, slots=True)
class Mixtures:
    """Entities of a model."""

    clusters: int
    kinds: dict[str, KindCount]
    searched: dict[str, Searched]


@dataclass(frozen=True, slots=True)
class Report:
    """Results of `zoo semantics` for one model with the block."""

    model: dict[str, str]
    data: str
    split: str
    images: int
    training_images: int
    seed: int
    geometry: dict[str, dict[str, Estimate]]
    """Measures by space, including `before` and `after` the block."""
    geometry_change: dict[str, dict[str, Estimate]]
    """Measures by space, minus those of `before`."""
    class_vectors: Groups | None
    entities: Mixtures

    @property
    def variant(self) -> str:
        return self.model["variant"]

    @property
    def measured_on(self) -> str:
        """Model, data set, split, number of images, seed."""
        return (
            f"`{self.variant}`: {self.data}, {self.images:,} images of the {self.split} split, fitted on "
            f"{self.training_images:,} training images, sampled with seed {self.seed}; one seed per network"
        )


_reports = TypeAdapter(Report)


def read_reports(folders: Sequence[Path]) -> list[Report]:
    """Read the reports of models with the block.

    Raises:
        ClaimsError: there are none, or one cannot be read.
    """
    if not folders:
        raise ClaimsError(
            "claims 3 and 4 need the report of a model with the block; create one with zoo semantics, and give its "
            "folder with --report"
        )
    return [_read(folder / SUMMARY_FILE) for folder in folders]


def finding_of(
    reports: Sequence[Report],
    *,
    verdict: Verdict,
    rule: str,
    sentence: Callable[[Report], str],
    numbers: Callable[[Report], Iterable[Number]],
    table: FindingTable,
    raw: Callable[[Report], dict[str, Any]],
) -> Finding:
    """A finding from reports, with a paragraph, headline numbers and raw results for each report."""
    return Finding(
        verdict=verdict,
        rule=rule,
        text="\n\n".join(map(sentence, reports)),
        measured_on="; ".join(report.measured_on for report in reports),
        numbers=tuple(number for report in reports for number in numbers(report)),
        tables=(table,),
        raw={report.variant: raw(report) for report in reports},
    )


def _read(file: Path) -> Report:
    try:
        return _reports.validate_json(file.read_bytes())
    except OSError as error:
        raise ClaimsError(f"{file.parent} is not a report of zoo semantics: {file.name}: {reason_of(error)}") from None
    except ValidationError as error:
        raise ClaimsError(
            f"{file} is not the summary of a report on a model with the block: {invalid_fields(error)[0]}"
        ) from None
