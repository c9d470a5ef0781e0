from collections.abc import Callable
from dataclasses import replace

import pytest

import zoo
from explain.pages.baseline import open_baseline, plain_variant
from zoo.errors import InputError
from zoo.hub import open_model
from zoo.package import Package


def test_the_plain_variant_is_of_the_same_family_and_depth() -> None:
    found = {name: plain_variant(name) for name in zoo.list_models()}
    assert found["rn26-ours"] == found["rn26-aux"] == found["rn26"] == "rn26"
    assert found["rn38-ours"] == "rn38"
    assert found["dn100-ours-c"] == "dn100"


def test_it_is_the_baseline_where_its_weights_are_here() -> None:
    config = open_model("wrn16-ours").config
    baseline = open_baseline(config, None)
    assert baseline.network is not None
    assert baseline.network.config is not None
    assert baseline.network.config.name == "wrn16.cifar10"


@pytest.mark.parametrize(
    ("variant", "note"),
    [("rn38-ours", "rn38.cifar10 is not available locally"), ("wrn16", "itself is the plain variant")],
)
def test_where_there_is_none_it_is_said(variant: str, note: str, make_package: Callable[..., Package]) -> None:
    baseline = open_baseline(make_package(variant).config, None)
    assert baseline.network is None
    assert note in baseline.note


def test_one_of_other_classes_is_no_comparison(make_package: Callable[..., Package]) -> None:
    config = make_package("wrn16", classes=("yes", "no")).config
    with pytest.raises(InputError, match="classes differ from those of wrn16-ours"):
        open_baseline(replace(config, variant="wrn16-ours"), "rn26")
    assert "has different classes" in open_baseline(replace(config, variant="wrn16-ours"), None).note
