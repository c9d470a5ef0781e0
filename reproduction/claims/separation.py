"""Claim 3: features cluster better after the block than before it, and animals separate from vehicles."""

from dataclasses import asdict

from reproduction.claims.finding import Finding, FindingTable, Number, Verdict, shown
from reproduction.claims.inputs import ClaimInputs
from reproduction.claims.reports import Report, finding_of, read_reports

MEASURES = {"knn_accuracy": "kNN accuracy", "silhouette": "silhouette", "nmi": "mutual information"}
"""Measures of `zoo semantics`, with readable names."""

ALPHA = 0.05
"""Level of the permutation test of the groups."""

RULE = (
    "The claim holds if, for every analysed model with the block, all three measures of how well patches of a class "
    "cluster are better after the block than before it, with the interval of each difference above 0, and the class "
    f"vectors of the two groups separate (exact permutation test, p < {ALPHA}). It holds in part if any of these "
    "conditions is met for any model; otherwise it does not hold."
)


def measure(inputs: ClaimInputs) -> Finding:
    """Measure claim 3 from reports of `zoo semantics`.

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
        Number.of(f"{label}, after minus before, `{report.variant}`", change[name]) for name, label in MEASURES.items()
    ]


def _better(report: Report) -> list[bool]:
    return [report.geometry_change["after"][name].low > 0 for name in MEASURES]


def _separate(report: Report) -> bool:
    return report.class_vectors is not None and report.class_vectors.p < ALPHA


def _verdict(reports: list[Report]) -> Verdict:
    shown = [part for report in reports for part in (*_better(report), _separate(report))]
    return "holds" if all(shown) else "holds in part" if any(shown) else "does not hold"


def _sentence(report: Report) -> str:
    better = [label for label, above in zip(MEASURES.values(), _better(report), strict=True) if above]
    worse = [label for name, label in MEASURES.items() if report.geometry_change["after"][name].high < 0]
    parts = [
        f"`{report.variant}`: better after the block in {', '.join(better) or 'no measure'}"
        + (f"; worse in {', '.join(worse)}" if worse else "")
    ]
    if mixture := report.geometry_change.get("mixture"):
        changes = ", ".join(f"{mixture[name].value:+.3f} in {label}" for name, label in MEASURES.items())
        parts.append(f"The mixture alone differs from the features before the block by {changes}")
    if groups := report.class_vectors:
        split = "is" if groups.first_split else "is not"
        parts.append(
            f"The mean cosine distance of the class vectors is {groups.between:.2f} between "
            f"{' and '.join(groups.groups)} and {groups.within:.2f} within (p = {groups.p:.3f} over all "
            f"{groups.groupings} groupings), and the first split of their hierarchy {split} into these groups"
        )
    return f"{'. '.join(parts)}."


def _table(reports: list[Report]) -> FindingTable:
    spaces = ("before", "after", "mixture")
    rows = [
        (f"`{report.variant}`", label, *(shown(report.geometry.get(space, {}).get(name)) for space in spaces))
        for report in reports
        for name, label in MEASURES.items()
    ]
    columns = (("network", "l"), ("measure", "l"), *((space, "r") for space in spaces))
    return FindingTable("Measures by space", columns, tuple(rows))
