from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from reproduction.claims.finding import ClaimsError
from reproduction.claims.inputs import ClaimInputs
from reproduction.claims.mixtures import measure, occurrences
from reproduction.claims.mixtures.plot import draw
from reproduction.claims.rules.entities import NAMED


@pytest.mark.slow
def test_on_the_bundled_models(inputs: Callable[..., ClaimInputs], monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (measure, occurrences):
        monkeypatch.setattr(module, "CLUSTER_SEEDS", 2)
    monkeypatch.setattr(measure, "FAMILIES", (("wrn16", "wrn16-aux", "wrn16-ours"),))
    finding = measure.measure(inputs(images=40))
    assert finding.verdict in ("holds", "holds in part", "does not hold")
    assert set(finding.raw["wrn16-ours"]["values"]) == set(NAMED["cifar10"])
    assert len(finding.numbers) == 3 * 2 * 2
    assert len(draw(dict(finding.raw)).axes) == 2


def test_other_classes(inputs: Callable[..., ClaimInputs], tmp_path: Path) -> None:
    with pytest.raises(ClaimsError, match="names no mixtures of the classes of pets"):
        measure.measure(replace(inputs(), source=str(tmp_path / "pets")))
