"""Claim 3: features cluster better after the block than before it, and animals separate from vehicles."""

from dataclasses import asdict

from reproduction.claims.finding import Finding, FindingTable, Number, Verdict, shown
from reproduction.claims.inputs import ClaimInputs
from reproduction.claims.reports import Report, finding_of, read_reports

MEASURES = {"knn_accuracy": "accuracy of the nearest patches", "silhouette": "silhouette", "nmi": "mutual information"}
"""Of `zoo semantics`, with their names for people."""

LEVEL = 0.05
"""Of the permutation test of the groups."""

RULE = (
    "It holds if, for every model with the block that was looked at, all three measures of how well patches of a class "
    "lie together are better after the block than before it, each difference with its interval above 0, and the two "
    f"groups separate in the semantic vectors (exact permutation test, p < {LEVEL}). It holds in part if some of this "
    "is so for some model, and else it does not hold."
)


def measure(inputs: ClaimInputs) -> Finding:
    """Take claim 3 from the reports of `zoo semantics`.

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
        raw=asdict,
    )


def _numbers(report: Report) -> list[Number]:
    change = report.geometry_change["after"]
    return [
        Number.of(f"{label}, after less before, `{report.variant}`", change[name]) for name, label in MEASURES.items()
    ]


def _better(report: Report) -> list[bool]:
    return [report.geometry_change["after"][name].low > 0 for name in MEASURES]


def _separate(report: Report) -> bool:
    return report.class_vectors is not None and report.class_vectors.p < LEVEL


def _verdict(reports: list[Report]) -> Verdict:
    shown = [part for report in reports for part in (*_better(report), _separate(report))]
    return "holds" if all(shown) else "holds in part" if any(shown) else "does not hold"


def _sentence(report: Report) -> str:
    better = [label for label, above in zip(MEASURES.values(), _better(report), strict=True) if above]
    worse = [label for name, label in MEASURES.items() if report.geometry_change["after"][name].high < 0]
    told = [
        f"`{report.variant}`: better after the block by {', '.join(better) or 'no measure'}",
        *([f"worse by {', '.join(worse)}"] if worse else []),
    ]
    if mixture := report.geometry_change.get("mixture"):
        changes = ", ".join(f"{label} {mixture[name].value:+.3f}" for name, label in MEASURES.items())
        told.append(f"the mixture that the block adds, by itself, less what enters the block: {changes}")
    if groups := report.class_vectors:
        split = "is" if groups.first_split else "is not"
        told.append(
            f"in its semantic vectors, {' and '.join(groups.groups)} are {groups.between:.2f} apart between the groups "
            f"and {groups.within:.2f} within (mean cosine distance, p = {groups.p:.3f} over all {groups.groupings} "
            f"groupings), and the first split of their hierarchy {split} these groups"
        )
    return "; ".join(told) + "."


def _table(reports: list[Report]) -> FindingTable:
    spaces = ("before", "after", "mixture")
    rows = [
        (f"`{report.variant}`", label, *(shown(report.geometry.get(space, {}).get(name)) for space in spaces))
        for report in reports
        for name, label in MEASURES.items()
    ]
    columns = (("network", "l"), ("measure", "l"), *((space, "r") for space in spaces))
    return FindingTable("Measures by space", columns, tuple(rows))
