"""What was found of a claim, as it is kept in the raw results and laid out in the document."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from explain.stats import Estimate
from zoo.errors import ZooError
from zoo.files import invalid_fields, write_atomically

Verdict = Literal["holds", "holds in part", "does not hold", "not shown"]


class ClaimsError(ZooError, ValueError):
    """Raw results of claims that cannot be read, or a claim that cannot be measured here."""


@dataclass(frozen=True, slots=True)
class Number:
    """A headline number."""

    what: str
    value: float
    interval: tuple[float, float] | None = None
    """Ends of the 95% bootstrap interval over images; None where nothing was drawn, as for a count."""
    decimals: int = 3
    unit: str = ""

    @staticmethod
    def of(what: str, found: Estimate, decimals: int = 3, unit: str = "") -> "Number":
        return Number(what, found.value, (found.low, found.high), decimals, unit)

    @property
    def shown(self) -> str:
        """`0.812 [0.809, 0.815]`, with its unit."""
        if self.interval is None:
            return f"{self.value:,.{self.decimals}f}{self.unit}"
        return shown(Estimate(self.value, *self.interval), self.decimals) + self.unit


def shown(estimate: Estimate | None, decimals: int = 3, sign: str = "") -> str:
    """An estimate with its interval, as `0.812 [0.809, 0.815]`; empty for None."""
    if estimate is None:
        return ""
    value, low, high = (f"{number:{sign},.{decimals}f}" for number in estimate)
    return f"{value} [{low}, {high}]"


Column = tuple[str, str]
"""Heading and alignment, `l` or `r`."""


@dataclass(frozen=True, slots=True)
class FindingTable:
    """A table of the document, its cells as they are shown."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """A claim with what was measured of it."""

    verdict: Verdict
    rule: str
    """What decides the verdict."""
    text: str
    """One paragraph."""
    measured_on: str
    """Data set, split, number of images, seeds."""
    numbers: tuple[Number, ...] = ()
    tables: tuple[FindingTable, ...] = ()
    raw: Mapping[str, Any] = field(default_factory=dict)
    """What was measured, for the figure and for whoever computes further."""


_findings = TypeAdapter(dict[int, Finding])


def read_findings(file: Path) -> dict[int, Finding]:
    """The findings by the claim's number; none where the file is not there.

    Raises:
        ClaimsError: it is not what `write_findings` wrote.
    """
    if not file.is_file():
        return {}
    try:
        return _findings.validate_json(file.read_bytes())
    except ValidationError as error:
        problems = "; ".join(invalid_fields(error)[:5])
        raise ClaimsError(f"{file} is not a record of zoo claims: {problems}; remove it and measure again") from None


def write_findings(file: Path, findings: Mapping[int, Finding]) -> None:
    """Keep findings, all or nothing."""
    text = json.dumps({number: asdict(findings[number]) for number in sorted(findings)}, separators=(",", ":"))
    write_atomically(file, f"{text}\n".encode())
