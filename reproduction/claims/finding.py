"""Findings on claims, as stored in the raw results and shown in the document."""

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
    """Raw results that cannot be read, or a claim that cannot be measured."""


@dataclass(frozen=True, slots=True)
class Number:
    """A headline number."""

    what: str
    value: float
    interval: tuple[float, float] | None = None
    """Bounds of the 95% bootstrap interval over images; None without sampling, as for a count."""
    decimals: int = 3
    unit: str = ""

    @staticmethod
    def of(what: str, found: Estimate, decimals: int = 3, unit: str = "") -> "Number":
        return Number(what, found.value, (found.low, found.high), decimals, unit)

    @property
    def shown(self) -> str:
        """The number as text, such as `0.812 [0.809, 0.815]`, with its unit."""
        if self.interval is None:
            return f"{self.value:,.{self.decimals}f}{self.unit}"
        return shown(Estimate(self.value, *self.interval), self.decimals) + self.unit


def shown(estimate: Estimate | None, decimals: int = 3, sign: str = "") -> str:
    """An estimate with its interval as text, such as `0.812 [0.809, 0.815]`; empty for None."""
    if estimate is None:
        return ""
    value, low, high = (f"{number:{sign},.{decimals}f}" for number in estimate)
    return f"{value} [{low}, {high}]"


Column = tuple[str, str]
"""Heading and alignment, `l` or `r`."""


@dataclass(frozen=True, slots=True)
class FindingTable:
    """A table of the document, with formatted cells."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """Verdict on a claim, with its measurements."""

    verdict: Verdict
    text: str
    """One paragraph or several."""
    measured_on: str
    """Data set, split, number of images, seeds."""
    numbers: tuple[Number, ...] = ()
    tables: tuple[FindingTable, ...] = ()
    raw: Mapping[str, Any] = field(default_factory=dict)
    """Raw measurements, for the figure and further analysis."""


_findings = TypeAdapter(dict[str, Finding])


def read_findings(file: Path) -> dict[str, Finding]:
    """Findings by number of the claim; empty if the file does not exist.

    Raises:
        ClaimsError: it was not written by `write_findings`.
    """
    if not file.is_file():
        return {}
    try:
        return _findings.validate_json(file.read_bytes())
    except ValidationError as error:
        problems = "; ".join(invalid_fields(error)[:5])
        raise ClaimsError(f"{file} is not a record of zoo claims: {problems}; remove it and measure again") from None


def write_findings(file: Path, findings: Mapping[str, Finding]) -> None:
    """Write findings atomically."""
    text = json.dumps({number: asdict(findings[number]) for number in sorted(findings)}, separators=(",", ":"))
    write_atomically(file, f"{text}\n".encode())
