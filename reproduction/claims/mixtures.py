"""Claim 4: new entities as mixtures of classes, patches discriminative for one class, and generic ones."""

from dataclasses import asdict

from reproduction.claims.finding import Finding, FindingTable, Number, Verdict
from reproduction.claims.inputs import ClaimInputs
from reproduction.claims.reports import Report, Searched, finding_of, read_reports

KINDS = {
    "pure": "one class (discriminative)",
    "pair": "two classes (new)",
    "generic": "many classes (generic)",
}
"""Of `zoo semantics`, with their names for people."""

RULE = (
    "It holds if every model with the block that was looked at has entities of one class, of two and of many, and "
    "every mixture that the paper names is among them. It holds in part if some model has a mixture of two or of many "
    "classes, and else it does not hold."
)


def measure(inputs: ClaimInputs) -> Finding:
    """Take claim 4 from the reports of `zoo semantics`.

    Raises:
        ClaimsError: there is no report.
    """
    reports = read_reports(inputs.reports)
    return finding_of(
        reports,
        verdict=_verdict(reports),
        rule=RULE,
        sentence=_sentence,
        numbers=_numbers,
        table=_table(reports),
        raw=lambda report: asdict(report.entities),
    )


def _numbers(report: Report) -> list[Number]:
    return [
        Number.of(f"{_named(part, found)}, share of the patches, `{report.variant}`", found.frequency, 4)
        for part, found in report.entities.searched.items()
        if found.frequency is not None
    ]


def _count(report: Report, kind: str) -> int:
    return report.entities.kinds[kind].entities if kind in report.entities.kinds else 0


def _verdict(reports: list[Report]) -> Verdict:
    kinds = [bool(_count(report, kind)) for report in reports for kind in KINDS]
    searched = [found.found for report in reports for found in report.entities.searched.values()]
    if all((*kinds, *searched)):
        return "holds"
    mixed = any(_count(report, kind) for report in reports for kind in ("pair", "generic"))
    return "holds in part" if mixed else "does not hold"


def _sentence(report: Report) -> str:
    told = [_searched(part, found) for part, found in report.entities.searched.items()]
    kinds = ", ".join(f"{_count(report, kind)} of {label}" for kind, label in KINDS.items())
    return (
        "; ".join([f"`{report.variant}`: {report.entities.clusters} clusters of patches make entities: {kinds}", *told])
        + "."
    )


def _searched(part: str, found: Searched) -> str:
    if not found.found or found.frequency is None:
        return f"{_named(part, found)} is not among them"
    inside = "" if found.in_images_of_the_two is None else f", {found.in_images_of_the_two:.0%} of it in their images"
    return f"{_named(part, found)} is {found.frequency.value:.2%} of the patches{inside}"


def _named(part: str, found: Searched) -> str:
    return f"{' + '.join(found.classes)} ({part})"


def _table(reports: list[Report]) -> FindingTable:
    rows = [
        (f"`{report.variant}`", kind, str(found.entities), f"{found.frequency:.1%}")
        for report in reports
        for kind, found in report.entities.kinds.items()
    ]
    columns = (("network", "l"), ("kind", "l"), ("entities", "r"), ("share of the patches", "r"))
    return FindingTable("Entities by kind", columns, tuple(rows))
