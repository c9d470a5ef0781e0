from collections import Counter

import numpy as np
import onnx
import pytest

from export import quantize as module
from export.fold import fold
from export.onnx_file import to_onnx
from export.precision import with_scaled_channels
from export.quantize import Drift, quantize
from zoo.errors import InputError
from zoo.outputs import STANDARD
from zoo.predictors.onnx import run_session
from zoo.predictors.onnx_session import open_session
from zoo.runtime import Runtime

pytestmark = pytest.mark.slow


def folded_onnx(network):
    folded = fold(network)
    return to_onnx(with_scaled_channels(folded), folded.outputs, 32)


@pytest.fixture(scope="module")
def float_model(make_network):
    return folded_onnx(make_network("wrn16-ours"))


def parts(model):
    return module._parts(model)


def test_all_convolutions_but_the_wide_ones_are_in_8_bits(float_model, pixels, monkeypatch):
    norm = {"norm": parts(float_model)["norm"]}
    monkeypatch.setattr(module, "_parts", lambda model: norm)
    monkeypatch.setattr(Drift, "gains", lambda self, other: True)
    tried = []
    quantized = quantize(float_model, pixels(12), tried.append)

    assert tried == ["all parts in int8", "norm in single precision", "norm in single precision"]
    assert quantized.wide == ("norm",)
    assert quantized.drift == quantized.tried["norm"]
    assert 0 < quantized.all_int8.classes < 0.1
    assert 0 < quantized.drift.patches < 0.1

    onnx.checker.check_model(quantized.model, full_check=True)
    initializers = {tensor.name: tensor for tensor in quantized.model.graph.initializer}
    made = {output: node for node in quantized.model.graph.node for output in node.output}
    types = Counter()
    for node in quantized.model.graph.node:
        if node.op_type == "Conv":
            weight = made.get(node.input[1])
            kind = initializers[weight.input[0] if weight else node.input[1]].data_type
            types[kind] += 1
            if weight:
                scales = onnx.numpy_helper.to_array(initializers[weight.input[1]])
                assert scales.shape == (initializers[weight.input[0]].dims[0],)
    convolutions = sum(node.op_type == "Conv" for node in float_model.graph.node)
    # The head's normalisation, and the keys and values of the semantic block.
    assert types == {onnx.TensorProto.INT8: convolutions - 3, onnx.TensorProto.FLOAT: 3}


@pytest.mark.parametrize(("variant", "assignment"), [("rn26-ours", "softmax"), ("wrn16-ours", "bn_relu")])
def test_the_answers_themselves_are_not_rounded(variant, assignment, make_network, pixels, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "_parts", lambda model: {})
    model = folded_onnx(make_network(variant, assignment=assignment))
    onnx.save(quantize(model, pixels(8)).model, tmp_path / "model.onnx")
    answer = run_session(open_session(tmp_path / "model.onnx", 1, Runtime()), STANDARD, pixels(5))
    if assignment == "softmax":
        np.testing.assert_allclose(answer.assignment.sum(axis=1), 1, atol=1e-5)
    for output in (answer.patch_logits, answer.assignment):
        assert len(np.unique(output)) > 256


def test_patch_logits_of_other_networks_are_not_rounded(make_network, pixels, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "_parts", lambda model: {})
    model = folded_onnx(make_network("wrn16"))
    onnx.save(quantize(model, pixels(8)).model, tmp_path / "model.onnx")
    answer = run_session(open_session(tmp_path / "model.onnx", 1, Runtime()), STANDARD[:2], pixels(5))
    assert len(np.unique(answer.patch_logits)) > 256


def test_the_record_says_how_it_was_made(float_model, pixels, monkeypatch):
    monkeypatch.setattr(module, "_parts", lambda model: {})
    quantized = quantize(float_model, pixels(4))
    record = quantized.record()
    assert record["images"] == 4
    assert len(record["images_sha256"]) == 64
    assert record["wide"] == []
    assert record["drift"] == record["all_int8"]
    again = quantize(float_model, pixels(4))
    assert again.model.SerializeToString(deterministic=True) == quantized.model.SerializeToString(deterministic=True)


def test_scales_and_choices_come_from_different_images(float_model, pixels, monkeypatch):
    seen = {}

    class Trial:
        file = None

        def __init__(self, folder, model, calibration, held):
            seen.update(calibration=calibration, held=held)

        def drift(self, wide):
            return Drift(0.1, 0.1)

    monkeypatch.setattr(module, "_Trial", Trial)
    monkeypatch.setattr(module, "_parts", lambda model: {})
    monkeypatch.setattr(module, "CALIBRATION_IMAGES", 4)
    monkeypatch.setattr(onnx, "load", lambda file: None)
    images = pixels(20)
    assert quantize(float_model, images).images == 8
    assert np.array_equal(seen["calibration"], images[:8:2])
    assert np.array_equal(seen["held"], images[1:8:2])


def test_only_parts_whose_precision_pays_are_kept(float_model, pixels, monkeypatch):
    drifts = {(): Drift(0.1, 0.1), ("a",): Drift(0.08, 0.1), ("b",): Drift(0.099, 0.099), ("c",): Drift(0.05, 0.2)}

    class Trial:
        file = None

        def __init__(self, *arguments):
            self.asked = []

        def drift(self, wide):
            return drifts[tuple(wide)]

    monkeypatch.setattr(module, "_Trial", Trial)
    monkeypatch.setattr(module, "_parts", lambda model: {name.upper(): [name] for name in "abc"})
    monkeypatch.setattr(onnx, "load", lambda file: None)
    quantized = quantize(float_model, pixels(2))
    assert quantized.wide == ("A",)
    assert quantized.drift == drifts[("a",)]


def test_nothing_is_gained_where_nothing_is_lost():
    assert not Drift(0, 0).gains(Drift(0, 0))
    assert Drift(0.1, 0).gains(Drift(0.05, 0))


def test_small_parts_of_a_network_are_named_after_it(float_model):
    found = parts(float_model)
    assert set(found) == {"stem", "block.depthwise", "norm"}
    assert all(len(nodes) == 1 for nodes in found.values())


@pytest.mark.parametrize("variant", ["rn26", "wrn16-aux", "dn100-ours-c"])
def test_every_kind_of_network_has_parts(variant, make_network):
    assert {"stem", "norm"} <= set(parts(folded_onnx(make_network(variant))))


@pytest.mark.parametrize("count", [0, 1])
def test_it_takes_two_images(float_model, pixels, count):
    with pytest.raises(InputError, match=f"images: {count}: must be at least 2, .* 1024"):
        quantize(float_model, pixels(2)[:count])
