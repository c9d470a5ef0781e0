"""Generalised sum pooling in ONNX files."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

import zoo
from export.onnx_file import export_network
from zoo.images.preprocess import CIFAR10_NORMALIZATION
from zoo.networks.network import Network
from zoo.outputs import KEPT_MASS
from zoo.package import ModelConfig
from zoo.package.onnx_metadata import config_from_metadata, onnx_metadata
from zoo.predictors.onnx import OnnxPredictor
from zoo.predictors.onnx_session import read_declarations
from zoo.predictors.torch import TorchPredictor

pytestmark = pytest.mark.slow

CONFIG = ModelConfig(
    *("wrn16", "cifar10", ("cat", "dog", "bird"), 32, CIFAR10_NORMALIZATION, "0" * 64), pooling="gsp", kept_mass=0.3
)


def network(variant: str, pixels, gamma: float = 5) -> Network:
    torch.manual_seed(0)
    made = zoo.create(variant, num_classes=3, pooling="gsp", pooling_gamma=gamma)
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the statistics of the one batch below
    with torch.no_grad():
        features = made.forward_features(torch.from_numpy(pixels(8)))
        made.pooling.prototypes.copy_(made.pooling.project(features)[:64])
    return made.eval()


@pytest.mark.parametrize(
    ("variant", "gamma"), [("wrn16", 5), ("wrn16", 40), ("wrn16-aux", 5), ("wrn16-ours", 20), ("dn100-ours-c", 5)]
)
def test_the_file_answers_as_pytorch(variant: str, gamma: float, pixels, tmp_path: Path) -> None:
    made, config = network(variant, pixels, gamma), replace(CONFIG, variant=variant, pooling_gamma=gamma)
    file = tmp_path / "model.onnx"
    export_network(made, config, file)
    assert read_declarations(file).outputs == made.outputs
    assert KEPT_MASS in made.outputs
    predictor = OnnxPredictor(file, "cpu", threads=1)
    for count in (1, 5):
        expected, found = TorchPredictor(made, config)(pixels(count)), predictor(pixels(count))
        for output in expected.outputs:
            scale = np.abs(expected[output.name]).max()
            np.testing.assert_allclose(found[output.name], expected[output.name], atol=1e-4 + 1e-5 * scale, rtol=0)
    assert found["kept_mass"].shape == (5, 8, 8)
    assert found["kept_mass"].std() > 0.02
    assert {node.domain for node in onnx.load(file).graph.node} == {""}


@pytest.mark.parametrize("gamma", [5, 20])
@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_lower_precision_keeps_the_same_patches(precision, gamma: float, pixels, tmp_path: Path) -> None:
    made, file = network("wrn16", pixels, gamma), tmp_path / "model.onnx"
    export_network(made, CONFIG, file, precision, pixels(16) if precision == "int8" else None)
    expected, found = (
        predictor(pixels(4))["kept_mass"]
        for predictor in (TorchPredictor(made, CONFIG), OnnxPredictor(file, "cpu", threads=1))
    )
    assert np.corrcoef(expected.ravel(), found.ravel())[0, 1] > 0.95
    np.testing.assert_allclose(found.mean(axis=(1, 2)), 0.3, atol=2e-3)


def test_metadata_name_the_pooling_where_it_is_not_the_average() -> None:
    average = replace(CONFIG, pooling="gap", kept_mass=1.0)
    assert not {"pooling", "kept_mass"} & onnx_metadata(average, "fp32", ()).keys()
    found = onnx_metadata(CONFIG, "fp32", ())
    assert (found["pooling"], found["kept_mass"]) == ('"gsp"', "0.3")
    assert "pooling_gamma" not in found
    assert config_from_metadata(found, "here") == CONFIG
    sharper = replace(CONFIG, pooling_gamma=20.0)
    assert config_from_metadata(onnx_metadata(sharper, "fp32", ()), "here") == sharper
