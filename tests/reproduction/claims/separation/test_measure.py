from collections.abc import Callable

import pytest

from reproduction.claims.inputs import ClaimInputs
from reproduction.claims.separation import family, measure
from reproduction.claims.separation.family import PLACES
from reproduction.claims.separation.plot import draw


@pytest.mark.slow
def test_on_the_bundled_models(inputs: Callable[..., ClaimInputs], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(family, "CLUSTER_SEEDS", 2)
    monkeypatch.setattr(measure, "FAMILIES", (("wrn16", "wrn16-aux", "wrn16-ours"),))
    found = inputs(images=60)
    for finding, measures in ((measure.measure_clusters(found), 3), (measure.measure_groups(found), 1)):
        assert finding.verdict in ("holds", "holds in part", "does not hold")
        assert set(finding.raw["wrn16-ours"]["values"]) == set(PLACES)
        assert len(finding.numbers) == 2 * measures
        assert len(draw(dict(finding.raw)).axes) == measures
