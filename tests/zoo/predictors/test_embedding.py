"""Embeddings by every predictor, also where the ONNX file was exported by an earlier version."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from support.closeness import assert_alike
from support.onnx_files import with_embedding

import zoo
from zoo.errors import InputError, NoEmbeddingError
from zoo.hub import DEFAULT_MODEL, open_model
from zoo.outputs import EMBEDDING
from zoo.package import WEIGHTS_FILE, Package
from zoo.predictors.embedding import BATCH, embed, require_embedding
from zoo.predictors.onnx import OnnxPredictor
from zoo.predictors.open_predictor import open_embedder, open_predictor
from zoo.predictors.torch import TorchPredictor

OLD = open_model(DEFAULT_MODEL)
"""A bundled model, whose file has no embedding."""

PIXELS = np.random.default_rng(0).integers(0, 256, (BATCH + 3, 3, 32, 32), dtype=np.uint8)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    return with_embedding(OLD, tmp_path_factory.mktemp("models") / OLD.config.name)


def test_it_is_what_the_classifier_sees(package: Package) -> None:
    network = zoo.load(DEFAULT_MODEL)
    with torch.inference_mode():
        pixels = torch.from_numpy(PIXELS)
        expected = network.forward_head(network.forward_features(pixels), pre_logits=True).numpy()
    for predictor in (OnnxPredictor.open(package, "cpu", threads=1), TorchPredictor.open(package)):
        found = embed(predictor, PIXELS)
        assert (found.dtype, found.shape) == (np.float32, (BATCH + 3, network.num_features))
        assert_alike([found], [expected])
        weight, bias = network.classifier.weight.detach().numpy(), network.classifier.bias.detach().numpy()
        assert_alike([found @ weight.T + bias], [predictor(PIXELS).logits])


@pytest.mark.parametrize("pixels", [PIXELS[:0], PIXELS[:, :, :16], PIXELS.astype(np.float32)])
def test_pixels_of_another_kind(pixels: np.ndarray, package: Package) -> None:
    with pytest.raises(InputError, match="expects uint8 pixels"):
        embed(OnnxPredictor.open(package, "cpu", threads=1), pixels)


def test_a_file_without_it_names_the_remedy() -> None:
    predictor = OnnxPredictor.open(OLD, "cpu", threads=1)
    assert predictor(PIXELS[:1]).embedding is None
    with pytest.raises(NoEmbeddingError, match=f"`zoo export {DEFAULT_MODEL}`"):
        embed(predictor, PIXELS[:1])
    with pytest.raises(NoEmbeddingError):
        require_embedding(predictor.declared.outputs, DEFAULT_MODEL)
    require_embedding((*predictor.declared.outputs, EMBEDDING), DEFAULT_MODEL)


def test_a_file_with_it_is_used(package: Package) -> None:
    assert isinstance(open_embedder(package), OnnxPredictor)


def test_pytorch_stands_in_for_a_file_without_it(caplog: pytest.LogCaptureFixture) -> None:
    assert isinstance(open_predictor(OLD), OnnxPredictor)
    assert isinstance(open_embedder(OLD), TorchPredictor)
    assert f"`zoo export {DEFAULT_MODEL}`" in caplog.text


def test_without_pytorch_or_weights_the_error_names_the_remedy(
    tmp_path: Path, package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    for file in OLD.path.iterdir():
        if file.name != WEIGHTS_FILE:
            (bare / file.name).write_bytes(file.read_bytes())
    with pytest.raises(NoEmbeddingError, match="`zoo export local-dir:"):
        open_embedder(Package.open(bare))
    find = importlib.util.find_spec
    monkeypatch.setattr("zoo.predictors.open_predictor.find_spec", lambda name: None if name == "torch" else find(name))
    with pytest.raises(NoEmbeddingError, match="export it again"):
        open_embedder(OLD)
