from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from reproduction.claims.finding import Finding
from reproduction.claims.inputs import ClaimInputs
from reproduction.claims.maximiser import measure as maximiser
from reproduction.claims.maximiser.agreement import MEASURES
from reproduction.claims.maximiser.plot import draw
from reproduction.claims.rules.agreement import BARE, CONTENDERS, EQUAL, FITTED

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def finding(cifar: Path) -> Iterator[Finding]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(maximiser, "NETWORKS", ("wrn16",))
        yield maximiser.measure(ClaimInputs(str(cifar), 12, 0, cifar))


def test_what_is_so_by_construction_is_found_so(finding: Finding) -> None:
    layers = finding.raw["layers"]["wrn16"]
    assert len(layers) == 17
    for layer in layers:
        assert layer["slack"] == 0
        assert layer["agreement"][FITTED]["support"] == (1, 1, 1)
        assert layer["agreement"][EQUAL]["mass"] == (1, 1, 1)
        assert layer["agreement"]["arg-max"]["mass"] == (1, 1, 1)
        # Permuted, a share is on what passes as often as a template passes.
        assert layer["agreement"]["permuted templates"]["mass"].value == pytest.approx(layer["passed"], abs=0.08)
        assert 1 <= layer["effective_templates"] <= layer["passed"] * layer["templates"] + 1


def test_measures_are_within_their_ranges_and_intervals(finding: Finding) -> None:
    for layer in finding.raw["layers"]["wrn16"]:
        for name in CONTENDERS:
            for measure in MEASURES:
                value, low, high = layer["agreement"][name][measure]
                assert -1 <= low <= value <= high <= 1
        assert layer["agreement"][FITTED]["overlap"].value > layer["agreement"][BARE]["overlap"].value


def test_the_finding_says_what_it_was_measured_on(finding: Finding) -> None:
    assert "cifar10, 12 images of the test split" in finding.measured_on
    assert {row[0] for row in finding.tables[0].rows} == {"`wrn16`", "`wrn16, untrained 0`", "`wrn16, untrained 1`"}
    assert finding.verdict in ("holds", "holds in part", "does not hold")


def test_untrained_networks_are_measured_beside_it(finding: Finding) -> None:
    gains = finding.raw["gains"]
    assert set(gains) == {"wrn16, untrained 0", "wrn16, untrained 1"}
    means = finding.raw["means"]
    for name, gain in gains.items():
        advantage = {n: means[n][FITTED]["overlap"].value - means[n][EQUAL]["overlap"].value for n in ("wrn16", name)}
        assert gain.value == pytest.approx(advantage["wrn16"] - advantage[name], abs=2e-4)
    assert "a property of the operator" in finding.text or "learning adds" in finding.text


def test_the_figure_has_a_row_a_measure_and_a_column_a_network(finding: Finding) -> None:
    assert len(draw(dict(finding.raw)).axes) == 2 * len(MEASURES)


def test_means_of_an_image_leave_out_what_is_not_defined() -> None:
    values = np.array([[[1.0, np.nan], [3.0, np.nan]], [[np.nan, 2.0], [5.0, 4.0]]])
    np.testing.assert_array_equal(maximiser._mean_of_defined(values), [[2, np.nan], [5, 3]])
