"""Claim 4: new entities as mixtures of classes, patches that are discriminative for one class, and generic patches."""

from dataclasses import asdict

from reproduction.claims.finding import Finding, FindingTable, Number, Verdict
from reproduction.claims.inputs import ClaimInputs
from reproduction.claims.reports import Report, Searched, finding_of, read_reports

KINDS = {
    "pure": "one class (discriminative)",
    "pair": "two classes (new)",
    "generic": "many classes (generic)",
}
"""Kinds of entities in `zoo semantics`, with readable names."""

RULE = (
    "The claim holds if every analysed model with the block has entities of one, of two and of many classes, including "
    "every mixture named in the paper. It holds in part if any of the models has a mixture of two or of many classes; "
    "otherwise it does not hold."
)


def measure(inputs: ClaimInputs) -> Finding:
    """Measure claim 4 from reports of `zoo semantics`.

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
        Number.of(f"share of patches nearest to {_named(part, found)}, `{report.variant}`", found.frequency, 4)
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
    searched = [_searched(part, found) for part, found in report.entities.searched.items()]
    kinds = ", ".join(f"{_count(report, kind)} of {label}" for kind, label in KINDS.items())
    entities = f"`{report.variant}`: {report.entities.clusters} clusters of patches make these entities: {kinds}"
    return f"{'. '.join([entities, *searched])}."


def _searched(part: str, found: Searched) -> str:
    if not found.found or found.frequency is None:
        return f"{_named(part, found)} was not found"
    inside = (
        ""
        if found.in_images_of_the_two is None
        else f", {found.in_images_of_the_two:.0%} of them in images of these two classes"
    )
    return f"{_named(part, found)} has {found.frequency.value:.2%} of the patches{inside}"


def _named(part: str, found: Searched) -> str:
    return f"{' + '.join(found.classes)} ({part})"


def _table(reports: list[Report]) -> FindingTable:
    rows = [
        (f"`{report.variant}`", kind, str(found.entities), f"{found.frequency:.1%}")
        for report in reports
        for kind, found in report.entities.kinds.items()
    ]
    columns = (("network", "l"), ("kind", "l"), ("entities", "r"), ("share of patches", "r"))
    return FindingTable("Entities by kind", columns, tuple(rows))
