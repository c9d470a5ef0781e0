from reproduction.claims.catalogue import CLAIMS
from reproduction.claims.document import claims_text
from reproduction.claims.finding import Finding, FindingTable, Number

FINDING = Finding(
    verdict="does not hold",
    text="Not so.",
    measured_on="cifar10, 5 images",
    numbers=(Number("difference", -0.7, (-1.2, -0.2), 2, " points"), Number("other", 1)),
    tables=(FindingTable("Of `rn26`", (("network", "l"), ("overlap", "r")), (("`rn26`", "0.7"),)),),
)


def test_a_claim_without_a_finding_is_said_to_be_not_measured() -> None:
    text = claims_text({})
    assert text.count("\n\nNot measured yet.\n") == len(CLAIMS) == 6
    assert text.count("| not measured yet |") == 6
    assert all(f"*Rule:* {claim.rule}" in text for claim in CLAIMS.values())


def test_a_claim_with_one_has_sentence_verdict_numbers_figure_and_tables() -> None:
    text = claims_text({"2": FINDING})
    section = text[text.index("## 2. ") : text.index("## 3a. ")]
    assert section.startswith(f"## 2. {CLAIMS['2'].sentence}\n\n**Does not hold.** Not so.\n\n![")
    assert "(images/claim2-order.svg)" in section
    assert "- difference: -0.70 [-1.20, -0.20] points\n- other: 1.000\n" in section
    assert (
        "<summary>Of <code>rn26</code></summary>\n\n| network | overlap |\n| --- | --: |\n| `rn26` | 0.7 |" in section
    )
    assert f"| 2 | {CLAIMS['2'].sentence} | does not hold | difference: -0.70 [-1.20, -0.20] points |" in text
