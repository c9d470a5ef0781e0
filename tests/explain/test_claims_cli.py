from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from explain.claims import operators
from explain.claims.catalogue import Claim
from explain.claims.finding import ClaimsError, Finding, read_findings
from explain.claims.study import Study

Zoo = Callable[..., CompletedProcess[str]]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Study]]:
    """What claims were measured; of the fifth nothing can be measured."""
    measured = []

    def measure(self: Claim, study: Study) -> Finding:
        if self.module == "operators":
            raise ClaimsError("no ONNX file")
        measured.append((self.module, study))
        return Finding("holds", "Rule.", f"Of {self.module}, seed {study.seed}.", "nothing")

    monkeypatch.setattr(Claim, "measure", measure)
    monkeypatch.setattr(Claim, "draw", lambda self, raw: None)
    return measured


def test_some_are_measured_and_others_stay(
    run_zoo: Zoo, tmp_path: Path, asked: list[tuple[str, Study]], cifar: Path
) -> None:
    where = ("--docs", tmp_path, "--raw", tmp_path / "raw.json", "--data", cifar)
    assert run_zoo("claims", *where, "--only", "1,2").returncode == 0
    result = run_zoo("claims", *where, "--only", "2", "--seed", 7, "--images", 20, "--report", tmp_path)
    assert result.returncode == 0
    assert "claim 2: holds. Of supervision, seed 7." in result.stdout
    assert [module for module, _ in asked] == ["maximiser", "supervision", "supervision"]
    assert asked[-1][1] == Study(str(cifar), 20, 7, tmp_path / "results", (tmp_path,))
    findings = read_findings(tmp_path / "raw.json")
    assert {number: finding.text for number, finding in findings.items()} == {
        1: "Of maximiser, seed 0.",
        2: "Of supervision, seed 7.",
    }
    text = (tmp_path / "claims.md").read_text()
    assert "**Holds.** Of supervision, seed 7." in text
    (tmp_path / "claims.md").unlink()
    assert run_zoo("claims", "--only-write", *where).returncode == 0
    assert (tmp_path / "claims.md").read_text() == text


def test_what_cannot_be_measured_is_said_and_the_others_are(
    run_zoo: Zoo, tmp_path: Path, asked: list[tuple[str, Study]]
) -> None:
    result = run_zoo("claims", "--docs", tmp_path, "--raw", tmp_path / "raw.json")
    assert result.returncode == 0
    assert "claim 5 was not measured: no ONNX file" in result.stdout
    assert sorted(read_findings(tmp_path / "raw.json")) == [1, 2, 3, 4]


def test_what_was_asked_for_by_name_and_cannot_be_measured_fails(
    run_zoo: Zoo, tmp_path: Path, asked: list[tuple[str, Study]]
) -> None:
    result = run_zoo("claims", "--only", "5", "--docs", tmp_path, "--raw", tmp_path / "raw.json")
    assert result.returncode == 1
    assert "no ONNX file" in result.stderr


def test_bad_arguments(run_zoo: Zoo, tmp_path: Path) -> None:
    where = ("--docs", tmp_path, "--raw", tmp_path / "raw.json")
    assert "'9' is no claim" in run_zoo("claims", "--only", "9", *where).stderr
    assert "there is no model 'rn26.pets' here" in run_zoo("claims", "--only", "1", "--data", "pets", *where).stderr
    (tmp_path / "raw.json").write_text("{")
    assert "raw.json is not a record of zoo claims" in run_zoo("claims", "--only-write", *where).stderr


def test_the_figures_are_written(run_zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = {"operators": {name: {"Conv": 3} for pair in operators.PAIRS for name in pair}}
    monkeypatch.setattr(operators, "measure", lambda study: Finding("holds", "", "", "", raw=raw))
    result = run_zoo("claims", "--only", "5", "--docs", tmp_path, "--raw", tmp_path / "raw.json")
    assert result.returncode == 0
    picture = (tmp_path / "pictures" / "claim5-operators.svg").read_bytes()
    assert b"zoo claims" in picture
    run_zoo("claims", "--only-write", "--docs", tmp_path, "--raw", tmp_path / "raw.json")
    assert (tmp_path / "pictures" / "claim5-operators.svg").read_bytes() == picture
