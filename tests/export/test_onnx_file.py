import copy
import dataclasses
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from support.closeness import assert_alike
from support.variants import REMAINING_NORMS, STRUCTURES
from torch import nn

from export.onnx_file import OPSET, export_network, export_onnx
from zoo.errors import DigestError, InputError, PackageError
from zoo.networks.load import load_package
from zoo.outputs import EMBEDDING, STANDARD, templates_output
from zoo.package import ONNX_FILES, WEIGHTS_FILE
from zoo.package.onnx_metadata import config_from_metadata
from zoo.predictors.onnx import OnnxPredictor
from zoo.predictors.onnx_session import read_declarations
from zoo.predictors.torch import TorchPredictor
from zoo.registry import info

pytestmark = pytest.mark.slow

EXPORTED = [name for name in STRUCTURES if name != "dn100"]  # whose layers dn100-ours has, and it takes seconds

NOT_FOR_INFERENCE = {"Pad", "Expand", "ConstantOfShape", "Shape", "Transpose", "Reshape"}


def dimensions(value):
    return [dimension.dim_param or dimension.dim_value for dimension in value.type.tensor_type.shape.dim]


def assert_parity(network, config, file, *batches):
    reference, candidate = TorchPredictor(network, config), OnnxPredictor(file, "cpu", threads=1)
    assert candidate.config == config
    for images in batches:
        assert_alike(candidate(images), reference(images))


@pytest.mark.parametrize("variant", EXPORTED)
def test_onnx_runtime_answers_as_pytorch(variant, exported, pixels):
    model = exported(variant)
    assert_parity(model.network, model.config, model.file, pixels(1), pixels(2), pixels(7))


@pytest.mark.parametrize("variant", EXPORTED)
def test_the_file_holds_the_folded_network_and_its_identity(variant, exported):
    model = exported(variant)
    proto = onnx.load(model.file, load_external_data=False)
    facts = info(variant)

    assert proto.producer_name == "template-zoo"
    assert [entry.version for entry in proto.opset_import] == [OPSET]
    assert config_from_metadata({entry.key: entry.value for entry in proto.metadata_props}, "it") == model.config

    [image] = proto.graph.input
    assert (image.name, image.type.tensor_type.elem_type) == ("image", onnx.TensorProto.UINT8)
    assert dimensions(image) == ["N", 3, 32, 32]
    shapes = {"logits": ["N", 10], "patch_logits": ["N", 10, 8, 8]}
    if facts.mechanism in ("residual", "concat"):
        shapes["assignment"] = ["N", 11, 8, 8]
    shapes["embedding"] = ["N", model.network.num_features]
    assert {output.name: dimensions(output) for output in proto.graph.output} == shapes

    operators = [node.op_type for node in proto.graph.node]
    assert operators.count("BatchNormalization") == REMAINING_NORMS[facts.builder](facts.blocks)
    assert not NOT_FOR_INFERENCE & set(operators)
    assert all(tensor.data_location == onnx.TensorProto.DEFAULT for tensor in proto.graph.initializer)


@pytest.mark.parametrize("variant", ["rn26", "wrn16-ours"])
def test_nothing_of_the_machine_is_in_the_file(variant, exported):
    data = exported(variant).file.read_bytes()
    for part in (
        b"stack_trace",
        b".py",
        b"pkg.",
        b"site-packages",
        str(Path.cwd()).encode(),
        str(Path.home()).encode(),
    ):
        assert part not in data


def test_the_same_network_gives_the_same_bytes(exported, tmp_path):
    model = exported("wrn16-ours")
    export_network(model.network, model.config, tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == model.file.read_bytes()
    assert [file.name for file in tmp_path.iterdir()] == ["again.onnx"]


@pytest.mark.parametrize(("classes", "assignment"), [(100, "softmax"), (10, "softmax_no_slack"), (10, "bn_relu")])
def test_other_classes_and_the_other_assignments(classes, assignment, exported, pixels):
    model = exported("wrn16-ours", classes, assignment)
    assert_parity(model.network, model.config, model.file, pixels(2))


@pytest.mark.parametrize("variant", ["wrn16-ours", "dn100-ours-c"])
def test_several_templates_per_class(variant, exported, pixels):
    model = exported(variant, 4, "softmax", 3)
    assert_parity(model.network, model.config, model.file, pixels(1), pixels(7))
    declared = read_declarations(model.file)
    assert declared.outputs == (*STANDARD, templates_output(3), EMBEDDING)
    assert declared.outputs[3].labels(model.config.classes)[:4] == ("class 0 1", "class 0 2", "class 0 3", "class 1 1")
    prediction = OnnxPredictor(model.file, "cpu", threads=1)(pixels(2))
    shares = prediction["templates"]
    assert shares.shape == (2, 13, 8, 8)
    np.testing.assert_allclose(
        shares[:, :-1].reshape(2, 4, 3, 8, 8).sum(axis=2), prediction.assignment[:, :-1], atol=1e-6
    )


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_several_templates_in_lower_precision(precision, exported, pixels, tmp_path):
    model, file = exported("wrn16-ours", 4, "softmax", 3), tmp_path / "model.onnx"
    export_network(model.network, model.config, file, precision, pixels(16) if precision == "int8" else None)
    expected = TorchPredictor(model.network, model.config)(pixels(4))
    found = OnnxPredictor(file, "cpu", threads=1)(pixels(4))
    np.testing.assert_allclose(found["templates"].sum(axis=1), 1, atol=2e-3)
    assert np.abs(found["templates"] - expected["templates"]).sum(axis=1).mean() / 2 < 0.1


def test_without_slack_onnx_runtime_gives_nothing_to_none(exported, pixels):
    model = exported("wrn16-ours", 10, "softmax_no_slack")
    assignment = OnnxPredictor(model.file, "cpu", threads=1)(pixels(7)).assignment
    np.testing.assert_array_equal(assignment[:, -1], 0)


def test_a_model_at_another_input_size_has_another_identity(package, pixels, tmp_path):
    file = tmp_path / "large.onnx"
    config = export_onnx(package, file, input_size=84)
    assert config == dataclasses.replace(package.config, input_size=84)
    assert_parity(load_package(package), config, file, pixels(1, 84))

    (package.path / ONNX_FILES["fp32"]).write_bytes(file.read_bytes())
    with pytest.raises(PackageError, match="not exported from this model directory"):
        OnnxPredictor.open(package, "cpu")


def test_an_input_size_below_the_smallest_is_refused(package, tmp_path):
    with pytest.raises(InputError, match="input_size = 31: must be at least 32"):
        export_onnx(package, tmp_path / "model.onnx", input_size=31)
    assert not (tmp_path / "model.onnx").exists()


def test_a_configuration_of_other_classes_is_refused(make_network, exported, tmp_path):
    with pytest.raises(InputError, match="100 classes, but its configuration 10"):
        export_network(make_network("wrn16-ours", 100), exported("wrn16-ours").config, tmp_path / "model.onnx")


def test_a_head_that_was_replaced_alone_is_refused_with_the_remedy(make_network, exported, tmp_path):
    network, config = copy.deepcopy(make_network("wrn16-ours")), exported("wrn16-ours").config
    network.classifier = nn.Linear(network.classifier.in_features, 5)
    with pytest.raises(InputError, match=r"has 5 classes, but block.keys has 10 .* use network.reset_classifier"):
        export_network(network, dataclasses.replace(config, classes=config.classes[:5]), tmp_path / "model.onnx")


@pytest.mark.parametrize("variant", ["wrn16-ours", "dn100-ours-c"])
def test_in_half_precision_it_answers_nearly_alike(variant, make_network, exported, pixels, tmp_path):
    model, file = exported(variant), tmp_path / "model.fp16.onnx"
    export_network(make_network(variant), model.config, file, "fp16")
    assert file.stat().st_size < 0.6 * model.file.stat().st_size
    expected = TorchPredictor(model.network, model.config)(pixels(3))
    actual = OnnxPredictor(file, "cpu", threads=1)(pixels(3))
    assert {output.dtype for output in actual.values()} == {np.dtype(np.float32)}
    assert_alike(actual, expected, "fp16")
    metadata = {entry.key: entry.value for entry in onnx.load(file).metadata_props}
    assert metadata["precision"] == '"fp16"'
    assert config_from_metadata(metadata, "it") == model.config


def test_in_8_bits_it_answers_nearly_alike_and_says_how_it_was_made(exported, pixels, tmp_path, monkeypatch):
    monkeypatch.setattr("export.quantize.MAX_PART_SHARE", 0)
    model, file = exported("wrn16-ours"), tmp_path / "model.int8.onnx"
    export_network(model.network, model.config, file, "int8", pixels(16))
    assert file.stat().st_size < 0.3 * model.file.stat().st_size
    expected, actual = TorchPredictor(model.network, model.config)(pixels(3)), OnnxPredictor(file, "cpu")(pixels(3))
    for name, wanted in expected.items():
        assert 0 < np.abs(actual[name] - wanted).mean() < 0.1
    metadata = {entry.key: entry.value for entry in onnx.load(file).metadata_props}
    assert json.loads(metadata["quantization"])["images"] == 16
    assert config_from_metadata(metadata, "it") == model.config


def test_8_bits_take_images_of_the_model_s_size(exported, pixels, tmp_path):
    model, file = exported("wrn16-ours"), tmp_path / "model.onnx"
    with pytest.raises(InputError, match="set --data"):
        export_network(model.network, model.config, file, "int8")
    with pytest.raises(InputError, match=r"expects uint8 pixels \[N, 3, 32, 32\]"):
        export_network(model.network, model.config, file, "int8", pixels(2, 40))
    assert not file.exists()


def test_damaged_weights_are_refused(package, tmp_path):
    (package.path / WEIGHTS_FILE).write_bytes(b"damaged")
    with pytest.raises(DigestError):
        export_onnx(package, tmp_path / "model.onnx")


def test_a_failed_export_leaves_the_old_file(exported, tmp_path, monkeypatch):
    model, file = exported("wrn16-ours"), tmp_path / "model.onnx"
    file.write_bytes(b"old")
    broken = onnx.load(model.file)
    del broken.graph.node[3]
    monkeypatch.setattr("export.onnx_file.to_onnx", lambda *_: broken)
    with pytest.raises(onnx.checker.ValidationError):
        export_network(model.network, model.config, file)
    assert file.read_bytes() == b"old"
