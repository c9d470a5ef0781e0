"""The document `claims.md`, from findings. Equal findings yield equal bytes."""

from collections.abc import Mapping

from explain.stats import RESAMPLES
from reproduction.claims.catalogue import CLAIMS, Claim
from reproduction.claims.finding import Finding
from zoo.reporting import markdown

DOCUMENT = "claims.md"
IMAGES = "images"
"""Folder of the figures, within that of the document."""


def claims_text(findings: Mapping[str, Finding]) -> str:
    """Markdown text of findings, claim by claim; a claim without a finding is listed as not measured yet."""
    parts = [
        "# The paper's claims, measured",
        "This page says which claims of *Feature Embedding by Template Matching as a ResNet Block* (BMVC 2022) hold "
        "for the networks trained in this project. Each claim has a rule that it can fail, fixed before it was "
        "measured, with the nulls that it must beat.",
        _overview(findings),
        f"Unless a rule says otherwise, brackets are 95% bootstrap intervals over images ({RESAMPLES:,} resamples); "
        "there is one trained network per variant, so they say nothing about other seeds. Whatever is fitted is fitted "
        "on training images. `zoo claims` measures the claims and writes this page; `zoo claims --only-write` rewrites "
        "it from the [raw results](../benchmarks/results/claims.json).",
    ]
    for number, claim in CLAIMS.items():
        parts += [f"## {number}. {claim.sentence}", *_section(claim, findings.get(number))]
    return "\n\n".join(parts) + "\n"


def _overview(findings: Mapping[str, Finding]) -> str:
    rows = []
    for number, claim in CLAIMS.items():
        finding = findings.get(number)
        verdict = finding.verdict if finding else "not measured yet"
        headlines = [f"{headline.what}: {headline.shown}" for headline in (finding.numbers if finding else ())[:1]]
        rows.append((number, claim.sentence, verdict, *(headlines or [""])))
    return markdown(["", "claim", "verdict", "main number"], "llll", rows)


def _section(claim: Claim, finding: Finding | None) -> list[str]:
    rule = f"*Rule:* {claim.rule}"
    if finding is None:
        return ["Not measured yet.", rule]
    parts = [f"**{finding.verdict[0].upper()}{finding.verdict[1:]}.** {finding.text}"]
    parts += [f"![{claim.sentence}]({IMAGES}/{claim.figure}.svg)", claim.caption]
    if finding.numbers:
        parts.append("\n".join(f"- {number.what}: {number.shown}" for number in finding.numbers))
    parts += [rule, f"*Measured on:* {finding.measured_on}."]
    for table in finding.tables:
        headings, alignment = zip(*table.columns, strict=True)
        cells = markdown(headings, alignment, table.rows)
        parts.append(f"<details><summary>{_html(table.title)}</summary>\n\n{cells}\n\n</details>")
    return parts


def _html(title: str) -> str:
    """A title as HTML, with `<code>` for backticks."""
    pieces = title.split("`")
    return "".join(f"<code>{piece}</code>" if index % 2 else piece for index, piece in enumerate(pieces))
