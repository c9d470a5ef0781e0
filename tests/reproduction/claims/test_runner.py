from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from matplotlib.figure import Figure

from reproduction.claims import catalogue, runner
from reproduction.claims.catalogue import CLAIMS, Claim
from reproduction.claims.finding import ClaimsError, Finding, read_findings
from reproduction.claims.inputs import ClaimInputs
from reproduction.claims.runner import chosen_claims
from zoo.errors import InputError

Zoo = Callable[..., CompletedProcess[str]]


@pytest.fixture
def change(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Claim]], None]:
    """Put other claims in the place of some of the catalogue's."""

    def put(claims: dict[str, Claim]) -> None:
        for module in (catalogue, runner):
            monkeypatch.setattr(module, "CLAIMS", {**CLAIMS, **claims})

    return put


@pytest.fixture
def asked(change: Callable[[dict[str, Claim]], None]) -> list[tuple[str, ClaimInputs]]:
    """What claims were measured; the last cannot be measured."""
    measured = []

    def fake(number: str) -> Claim:
        def measure(inputs: ClaimInputs) -> Finding:
            if number == "4":
                raise ClaimsError("no model")
            measured.append((number, inputs))
            return Finding("holds", f"Of claim {number}, seed {inputs.seed}.", "nothing")

        return replace(CLAIMS[number], measure=measure, draw=lambda raw: Figure())

    change({number: fake(number) for number in CLAIMS})
    return measured


def test_some_are_measured_and_others_stay(
    run_zoo: Zoo, tmp_path: Path, asked: list[tuple[str, ClaimInputs]], cifar: Path
) -> None:
    where = ("--docs", tmp_path, "--raw", tmp_path / "raw.json", "--data", cifar)
    assert run_zoo("claims", *where, "--only", "1a,2").returncode == 0
    result = run_zoo("claims", *where, "--only", "2", "--seed", 7, "--images", 20)
    assert result.returncode == 0
    assert "claim 2: holds. Of claim 2, seed 7." in result.stdout
    assert [number for number, _ in asked] == ["1a", "2", "2"]
    assert asked[-1][1] == ClaimInputs(str(cifar), 20, 7, tmp_path / "results")
    findings = read_findings(tmp_path / "raw.json")
    assert {number: finding.text for number, finding in findings.items()} == {
        "1a": "Of claim 1a, seed 0.",
        "2": "Of claim 2, seed 7.",
    }
    text = (tmp_path / "claims.md").read_text()
    assert "**Holds.** Of claim 2, seed 7." in text
    (tmp_path / "claims.md").unlink()
    assert run_zoo("claims", "--only-write", *where).returncode == 0
    assert (tmp_path / "claims.md").read_text() == text


def test_what_cannot_be_measured_is_said_and_the_others_are(
    run_zoo: Zoo, tmp_path: Path, asked: list[tuple[str, ClaimInputs]]
) -> None:
    result = run_zoo("claims", "--docs", tmp_path, "--raw", tmp_path / "raw.json")
    assert result.returncode == 0
    assert "claim 4 was not measured: no model" in result.stdout
    assert sorted(read_findings(tmp_path / "raw.json")) == ["1a", "1b", "2", "3a", "3b"]


def test_what_was_asked_for_by_name_and_cannot_be_measured_fails(
    run_zoo: Zoo, tmp_path: Path, asked: list[tuple[str, ClaimInputs]]
) -> None:
    result = run_zoo("claims", "--only", "4", "--docs", tmp_path, "--raw", tmp_path / "raw.json")
    assert result.returncode == 1
    assert "no model" in result.stderr


def test_bad_arguments(run_zoo: Zoo, tmp_path: Path) -> None:
    where = ("--docs", tmp_path, "--raw", tmp_path / "raw.json")
    assert "unknown claim '9'" in run_zoo("claims", "--only", "9", *where).stderr
    assert "model 'rn26.pets' is not available" in run_zoo("claims", "--only", "1a", "--data", "pets", *where).stderr
    (tmp_path / "raw.json").write_text("{")
    assert "raw.json is not a record of zoo claims" in run_zoo("claims", "--only-write", *where).stderr


def test_the_figures_are_written(run_zoo: Zoo, tmp_path: Path, change: Callable[[dict[str, Claim]], None]) -> None:
    found = Finding("holds", "", "")
    change({"4": replace(CLAIMS["4"], measure=lambda inputs: found, draw=lambda raw: Figure())})
    result = run_zoo("claims", "--only", "4", "--docs", tmp_path, "--raw", tmp_path / "raw.json")
    assert result.returncode == 0
    figure = (tmp_path / "images" / "claim4-entities.svg").read_bytes()
    assert b"zoo claims" in figure
    run_zoo("claims", "--only-write", "--docs", tmp_path, "--raw", tmp_path / "raw.json")
    assert (tmp_path / "images" / "claim4-entities.svg").read_bytes() == figure


@pytest.mark.parametrize(("only", "numbers"), [(None, tuple(CLAIMS)), ("2", ("2",)), ("4, 1a,4", ("1a", "4"))])
def test_claims_are_chosen(only: str | None, numbers: tuple[str, ...]) -> None:
    assert chosen_claims(only) == numbers


@pytest.mark.parametrize("only", ["5", "1", "", "1a;2", "one"])
def test_no_such_claim(only: str) -> None:
    with pytest.raises(InputError, match=r"unknown claim .*; available: 1a, 1b, 2, 3a, 3b, 4, as in --only 1a,2"):
        chosen_claims(only)
