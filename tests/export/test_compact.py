import dataclasses

import pytest
import torch
from safetensors.torch import load_file, save_file

from export.compact import compact
from zoo.errors import InputError
from zoo.files import sha256, write_json
from zoo.hub import open_model
from zoo.networks.load import load_package
from zoo.package import CARD_FILE, CONFIG_FILE, METRICS_FILE, WEIGHTS_FILE, Package
from zoo.package.metrics import own_metrics

pytestmark = pytest.mark.slow


def test_how_it_was_trained_is_kept_and_what_was_measured_is_not(tmp_path):
    shipped = open_model("wrn16-ours")
    new = compact(shipped, tmp_path / "new")
    metrics = new.metrics()
    assert set(metrics) == {"training"}
    assert metrics["training"]["weights_sha256"] == new.config.weights_sha256
    # The bundled model was rounded itself: what it was rounded from stays known.
    assert metrics["training"]["rounded_from_sha256"] == shipped.metrics()["training"]["rounded_from_sha256"]
    assert metrics["training"]["history"] == shipped.metrics()["training"]["history"]
    assert "## Training" in (tmp_path / "new" / CARD_FILE).read_text()


def test_how_other_weights_were_trained_is_not_kept(package, tmp_path):
    write_json(package.path / METRICS_FILE, open_model("wrn16-ours").metrics())
    assert compact(package, tmp_path / "new").metrics() == {}


def test_what_the_weights_were_rounded_from_is_said(package, tmp_path):
    metrics = open_model("wrn16-ours").metrics()
    del metrics["training"]["rounded_from_sha256"]
    metrics["training"]["weights_sha256"] = package.config.weights_sha256
    write_json(package.path / METRICS_FILE, metrics)
    new = compact(package, tmp_path / "new")
    assert new.metrics()["training"]["rounded_from_sha256"] == package.config.weights_sha256
    assert own_metrics(new).training
    assert "rounded to half precision" in (new.path / CARD_FILE).read_text()


def test_matrices_are_rounded_and_the_rest_is_kept(package, tmp_path):
    new = compact(package, tmp_path / "new")
    before, after = load_file(package.path / WEIGHTS_FILE), load_file(new.path / WEIGHTS_FILE)
    assert before.keys() == after.keys()
    for name, value in after.items():
        if value.dim() >= 2:
            assert value.dtype == torch.float16
            assert torch.equal(value, before[name].half())
        else:
            assert value.dtype == before[name].dtype
            assert torch.equal(value, before[name])
    sizes = [(model.path / WEIGHTS_FILE).stat().st_size for model in (package, new)]
    assert sizes[1] < 0.52 * sizes[0]


def test_it_has_an_identity_of_its_own_and_answers_nearly_alike(package, tmp_path, pixels):
    new = compact(package, tmp_path / "new")
    assert new.config.weights_sha256 == sha256(new.path / WEIGHTS_FILE) != package.config.weights_sha256
    assert new.precisions == ()
    assert new.parity() == {}
    with torch.inference_mode():
        images = torch.from_numpy(pixels(4))
        expected, actual = load_package(package)(images), load_package(new)(images)
    assert actual.dtype == torch.float32
    difference = (expected - actual).abs().max()
    assert 0 < difference < 0.05


def test_rounding_twice_changes_nothing(package, tmp_path):
    once = compact(package, tmp_path / "once")
    assert compact(once, tmp_path / "twice").config == once.config


def test_a_directory_with_files_stays_as_it_is(package, tmp_path):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="is not empty"):
        compact(package, tmp_path / "new")
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["notes.txt"]


def test_weights_beyond_half_precision_are_refused(package, tmp_path):
    weights = load_file(package.path / WEIGHTS_FILE)
    weights["classifier.weight"][0, 0] = 1e6
    save_file(weights, package.path / WEIGHTS_FILE)
    config = dataclasses.replace(package.config, weights_sha256=sha256(package.path / WEIGHTS_FILE))
    (package.path / CONFIG_FILE).write_text(config.to_json())
    with pytest.raises(InputError, match=r"classifier\.weight has values up to 1e\+06, .* 65504"):
        compact(Package.open(package.path), tmp_path / "new")
    assert not (tmp_path / "new").exists()
