from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from matplotlib.figure import Figure

from reproduction.claims import catalogue, operators, runner
from reproduction.claims.catalogue import CLAIMS, Claim
from reproduction.claims.finding import ClaimsError, Finding, read_findings
from reproduction.claims.inputs import ClaimInputs
from reproduction.claims.runner import chosen_claims
from zoo.errors import InputError

Zoo = Callable[..., CompletedProcess[str]]


@pytest.fixture
def change(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[int, Claim]], None]:
    """Put other claims in the place of some of the catalogue's."""

    def put(claims: dict[int, Claim]) -> None:
        for module in (catalogue, runner):
            monkeypatch.setattr(module, "CLAIMS", {**CLAIMS, **claims})

    return put


@pytest.fixture
def asked(change: Callable[[dict[int, Claim]], None]) -> list[tuple[int, ClaimInputs]]:
    """What claims were measured; of the fifth nothing can be measured."""
    measured = []

    def fake(number: int) -> Claim:
        def measure(inputs: ClaimInputs) -> Finding:
            if number == 5:
                raise ClaimsError("no ONNX file")
            measured.append((number, inputs))
            return Finding("holds", "Rule.", f"Of claim {number}, seed {inputs.seed}.", "nothing")

        return replace(CLAIMS[number], measure=measure, draw=lambda raw: Figure())

    change({number: fake(number) for number in CLAIMS})
    return measured


def test_some_are_measured_and_others_stay(
    run_zoo: Zoo, tmp_path: Path, asked: list[tuple[int, ClaimInputs]], cifar: Path
) -> None:
    where = ("--docs", tmp_path, "--raw", tmp_path / "raw.json", "--data", cifar)
    assert run_zoo("claims", *where, "--only", "1,2").returncode == 0
    result = run_zoo("claims", *where, "--only", "2", "--seed", 7, "--images", 20, "--report", tmp_path)
    assert result.returncode == 0
    assert "claim 2: holds. Of claim 2, seed 7." in result.stdout
    assert [number for number, _ in asked] == [1, 2, 2]
    assert asked[-1][1] == ClaimInputs(str(cifar), 20, 7, tmp_path / "results", (tmp_path,))
    findings = read_findings(tmp_path / "raw.json")
    assert {number: finding.text for number, finding in findings.items()} == {
        1: "Of claim 1, seed 0.",
        2: "Of claim 2, seed 7.",
    }
    text = (tmp_path / "claims.md").read_text()
    assert "**Holds.** Of claim 2, seed 7." in text
    (tmp_path / "claims.md").unlink()
    assert run_zoo("claims", "--only-write", *where).returncode == 0
    assert (tmp_path / "claims.md").read_text() == text


def test_what_cannot_be_measured_is_said_and_the_others_are(
    run_zoo: Zoo, tmp_path: Path, asked: list[tuple[int, ClaimInputs]]
) -> None:
    result = run_zoo("claims", "--docs", tmp_path, "--raw", tmp_path / "raw.json")
    assert result.returncode == 0
    assert "claim 5 was not measured: no ONNX file" in result.stdout
    assert sorted(read_findings(tmp_path / "raw.json")) == [1, 2, 3, 4]


def test_what_was_asked_for_by_name_and_cannot_be_measured_fails(
    run_zoo: Zoo, tmp_path: Path, asked: list[tuple[int, ClaimInputs]]
) -> None:
    result = run_zoo("claims", "--only", "5", "--docs", tmp_path, "--raw", tmp_path / "raw.json")
    assert result.returncode == 1
    assert "no ONNX file" in result.stderr


def test_bad_arguments(run_zoo: Zoo, tmp_path: Path) -> None:
    where = ("--docs", tmp_path, "--raw", tmp_path / "raw.json")
    assert "unknown claim '9'" in run_zoo("claims", "--only", "9", *where).stderr
    assert "model 'rn26.pets' is not available" in run_zoo("claims", "--only", "1", "--data", "pets", *where).stderr
    (tmp_path / "raw.json").write_text("{")
    assert "raw.json is not a record of zoo claims" in run_zoo("claims", "--only-write", *where).stderr


def test_the_figures_are_written(run_zoo: Zoo, tmp_path: Path, change: Callable[[dict[int, Claim]], None]) -> None:
    raw = {"operators": {name: {"Conv": 3} for pair in operators.PAIRS for name in pair}}
    change({5: replace(CLAIMS[5], measure=lambda inputs: Finding("holds", "", "", "", raw=raw))})
    result = run_zoo("claims", "--only", "5", "--docs", tmp_path, "--raw", tmp_path / "raw.json")
    assert result.returncode == 0
    figure = (tmp_path / "images" / "claim5-operators.svg").read_bytes()
    assert b"zoo claims" in figure
    run_zoo("claims", "--only-write", "--docs", tmp_path, "--raw", tmp_path / "raw.json")
    assert (tmp_path / "images" / "claim5-operators.svg").read_bytes() == figure


@pytest.mark.parametrize(("only", "numbers"), [(None, (1, 2, 3, 4, 5)), ("2", (2,)), ("5, 1,5", (1, 5))])
def test_claims_are_chosen(only: str | None, numbers: tuple[int, ...]) -> None:
    assert chosen_claims(only) == numbers


@pytest.mark.parametrize("only", ["6", "", "1;2", "one"])
def test_no_such_claim(only: str) -> None:
    with pytest.raises(InputError, match=r"unknown claim .*; available: 1, 2, 3, 4, 5, as in --only 1,2"):
        chosen_claims(only)
