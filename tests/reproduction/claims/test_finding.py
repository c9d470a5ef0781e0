from pathlib import Path

import pytest

from explain.stats import Estimate
from reproduction.claims.finding import ClaimsError, Finding, FindingTable, Number, read_findings, write_findings

FINDING = Finding(
    verdict="holds in part",
    text="Found.",
    measured_on="cifar10, 5 images",
    numbers=(Number.of("overlap", Estimate(0.7, 0.6, 0.8)), Number("work", 12345.678, None, 1, " %")),
    tables=(FindingTable("Means", (("network", "l"), ("overlap", "r")), (("`rn26`", "0.7"),)),),
    raw={"layers": [1, 2.5, None]},
)


def test_findings_are_read_as_they_were_written(tmp_path: Path) -> None:
    file = tmp_path / "raw" / "claims.json"
    write_findings(file, {"4": FINDING, "1a": FINDING})
    assert read_findings(file) == {"1a": FINDING, "4": FINDING}
    before = file.read_bytes()
    write_findings(file, read_findings(file))
    assert file.read_bytes() == before


def test_there_may_be_none(tmp_path: Path) -> None:
    assert read_findings(tmp_path / "claims.json") == {}


@pytest.mark.parametrize("text", ["{", "[]", '{"1": {"verdict": "true"}}'])
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "claims.json"
    file.write_text(text)
    with pytest.raises(ClaimsError, match=r"claims\.json is not a record of zoo claims: .*measure again"):
        read_findings(file)


def test_numbers_as_people_read_them() -> None:
    assert [number.shown for number in FINDING.numbers] == ["0.700 [0.600, 0.800]", "12,345.7 %"]
