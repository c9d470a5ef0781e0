"""Claims 3 and 4, from the summaries of reports of `zoo semantics`."""

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from reproduction.claims import mixtures, separation
from reproduction.claims.finding import ClaimsError
from reproduction.claims.inputs import ClaimInputs


def estimate(value: float, half: float = 0.01) -> dict[str, float]:
    return {"value": value, "low": value - half, "high": value + half}


def quality(knn: float, silhouette: float, nmi: float) -> dict[str, Any]:
    return {"knn_accuracy": estimate(knn), "silhouette": estimate(silhouette), "nmi": estimate(nmi)}


SUMMARY: dict[str, Any] = {
    "model": {"name": "wrn16-ours.cifar10", "variant": "wrn16-ours", "data": "cifar10", "weights_sha256": "2a"},
    "data": "cifar10",
    "split": "test",
    "images": 10000,
    "training_images": 5000,
    "seed": 3,
    "geometry": {"before": quality(0.7, 0.03, 0.4), "after": quality(0.8, 0.3, 0.6), "mixture": quality(0.9, 0.6, 0.8)},
    "geometry_change": {"after": quality(0.1, 0.27, 0.2), "mixture": quality(0.2, 0.57, 0.4)},
    "entities": {
        "clusters": 64,
        "kinds": {
            "pure": {"entities": 10, "frequency": 0.82},
            "pair": {"entities": 14, "frequency": 0.11},
            "generic": {"entities": 14, "frequency": 0.07},
        },
        "searched": {
            "wing": {
                "classes": ["bird", "airplane"],
                "found": True,
                "name": "airplane + bird",
                "training_frequency": 0.009,
                "frequency": estimate(0.012, 0.005),
                "in_images_of_the_two": 0.9,
            },
        },
    },
    "class_vectors": {
        "groups": {"animals": ["bird", "cat"], "vehicles": ["ship", "truck"]},
        "within": 0.8,
        "between": 1.2,
        "groupings": 210,
        "p": 0.005,
        "first_split": True,
    },
}


@pytest.fixture
def reported(inputs: Callable[..., ClaimInputs], tmp_path: Path) -> Callable[..., ClaimInputs]:
    """Inputs with a report in which something was changed."""

    def write(change: Callable[[dict[str, Any]], object] = lambda summary: None) -> ClaimInputs:
        summary = deepcopy(SUMMARY)
        change(summary)
        (tmp_path / "summary.json").write_text(json.dumps(summary))
        return inputs(reports=(tmp_path,))

    return write


def test_claim_3_holds_where_all_is_better_and_the_groups_separate(reported: Callable[..., ClaimInputs]) -> None:
    finding = separation.measure(reported())
    assert finding.verdict == "holds"
    assert [number.value for number in finding.numbers] == [0.1, 0.27, 0.2]
    assert "1.20 between animals and vehicles and 0.80 within" in finding.text
    assert "10,000 images of the test split" in finding.measured_on


@pytest.mark.parametrize(
    "change",
    [
        lambda summary: summary["class_vectors"].update(p=0.2),
        lambda summary: summary["geometry_change"]["after"].update(nmi=estimate(0.005)),
    ],
)
def test_claim_3_holds_in_part(
    reported: Callable[..., ClaimInputs], change: Callable[[dict[str, Any]], object]
) -> None:
    assert separation.measure(reported(change)).verdict == "holds in part"


def test_claim_3_does_not_hold(reported: Callable[..., ClaimInputs]) -> None:
    def change(summary: dict[str, Any]) -> None:
        summary["geometry_change"]["after"] = quality(-0.1, 0, -0.2)
        summary["class_vectors"] = None

    finding = separation.measure(reported(change))
    assert finding.verdict == "does not hold"
    assert "better after the block in no measure; worse in kNN accuracy, mutual" in finding.text


def test_claim_4_holds_where_all_kinds_and_the_named_mixtures_are_found(reported: Callable[..., ClaimInputs]) -> None:
    finding = mixtures.measure(reported())
    assert finding.verdict == "holds"
    assert "bird + airplane (wing) has 1.20% of the patches, 90% of them in images" in finding.text
    [number] = finding.numbers
    assert number.shown == "0.0120 [0.0070, 0.0170]"


def test_claim_4_holds_in_part_without_a_named_mixture(reported: Callable[..., ClaimInputs]) -> None:
    def change(summary: dict[str, Any]) -> None:
        summary["entities"]["searched"]["tyre"] = {"classes": ["automobile", "truck"], "found": False}

    finding = mixtures.measure(reported(change))
    assert finding.verdict == "holds in part"
    assert "automobile + truck (tyre) was not found" in finding.text


def test_claim_4_does_not_hold_without_mixtures(reported: Callable[..., ClaimInputs]) -> None:
    def change(summary: dict[str, Any]) -> None:
        summary["entities"] = {"clusters": 64, "searched": {}, "kinds": {"pure": {"entities": 9, "frequency": 1}}}

    assert mixtures.measure(reported(change)).verdict == "does not hold"


@pytest.mark.parametrize("claim", [separation, mixtures])
def test_without_a_report(claim: Any, inputs: Callable[..., ClaimInputs], tmp_path: Path) -> None:
    with pytest.raises(ClaimsError, match="its folder with --report"):
        claim.measure(inputs())
    with pytest.raises(ClaimsError, match=r"is not a report of zoo semantics: summary\.json"):
        claim.measure(inputs(reports=(tmp_path,)))


def test_a_report_of_a_plain_network(reported: Callable[..., ClaimInputs]) -> None:
    with pytest.raises(ClaimsError, match=r"not the summary of a report .*: entities"):
        mixtures.measure(reported(lambda summary: summary.pop("entities")))
