import dataclasses
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from export.onnx_file import OPSET, export_network, export_onnx
from zoo.errors import DigestError, InputError, PackageError
from zoo.onnx_predictor import OnnxPredictor
from zoo.package import ONNX_FILE, WEIGHTS_FILE, config_from_metadata
from zoo.registry import info, list_models
from zoo.torch_predictor import TorchPredictor

NOT_FOR_INFERENCE = {"Pad", "Expand", "ConstantOfShape", "Shape", "Transpose", "Reshape"}


def dimensions(value):
    return [dimension.dim_param or dimension.dim_value for dimension in value.type.tensor_type.shape.dim]


@pytest.mark.parametrize("variant", list_models())
def test_onnx_runtime_answers_as_pytorch(variant, exported, pixels):
    model = exported(variant)
    reference, candidate = TorchPredictor(model.network, model.config), OnnxPredictor.open_file(model.file, "cpu")
    for count in (1, 2, 7):
        images = pixels(count)
        for expected, actual in zip(reference(images), candidate(images), strict=True):
            if expected is None:
                assert actual is None
            else:
                np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("variant", list_models())
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
    shapes = {"logits": ["N", 10], "patch_logits": ["N", 10, 8, 8], "assignment": ["N", 11, 8, 8]}
    names = list(shapes)[: 3 if facts.mechanism in ("residual", "concat") else 2]
    assert {output.name: dimensions(output) for output in proto.graph.output} == {name: shapes[name] for name in names}

    operators = [node.op_type for node in proto.graph.node]
    dense = facts.builder.startswith("zoo.densenet")
    assert operators.count("BatchNormalization") == 4 * facts.blocks + (3 if dense else 0)
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
        assert part == b"/" or part not in data
    assert b"pytorch" not in data


def test_the_same_network_gives_the_same_bytes(exported, tmp_path):
    model = exported("wrn16-ours")
    export_network(model.network, model.config, tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == model.file.read_bytes()
    assert [file.name for file in tmp_path.iterdir()] == ["again.onnx"]


def test_a_hundred_classes(exported, pixels):
    model = exported("wrn16-ours", 100)
    prediction = OnnxPredictor.open_file(model.file, "cpu")(pixels(2))
    expected = TorchPredictor(model.network, model.config)(pixels(2))
    assert prediction.assignment.shape == (2, 101, 8, 8)
    for a, b in zip(prediction, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-4)


def test_bn_relu_for_the_assignment(make_network, exported, pixels, tmp_path):
    network = make_network("wrn16-ours", assignment="bn_relu")
    config = dataclasses.replace(exported("wrn16-ours").config, assignment="bn_relu")
    export_network(network, config, tmp_path / "model.onnx")
    prediction = OnnxPredictor.open_file(tmp_path / "model.onnx", "cpu")(pixels(2))
    for a, b in zip(prediction, TorchPredictor(network, config)(pixels(2)), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-4)


def test_a_model_directory_is_completed(package, pixels):
    assert export_onnx(package, package.path / ONNX_FILE) == package.config
    assert OnnxPredictor.open(package, "cpu")(pixels(1)).logits.shape == (1, 10)


def test_another_input_size_is_another_identity(package, pixels, tmp_path):
    file = tmp_path / "large.onnx"
    config = export_onnx(package, file, input_size=84)
    assert config == dataclasses.replace(package.config, input_size=84)
    predictor = OnnxPredictor.open_file(file, "cpu")
    assert predictor.config == config
    images = pixels(1, 84)
    with torch.inference_mode():
        expected = TorchPredictor.open(package).network.semantics(torch.from_numpy(images))
    assert predictor(images).assignment.shape == (1, 11, 21, 21)
    for a, b in zip(predictor(images), expected[:3], strict=True):
        np.testing.assert_allclose(a, b.cpu(), rtol=0, atol=1e-4)

    (package.path / ONNX_FILE).write_bytes(file.read_bytes())
    with pytest.raises(PackageError, match="not exported from this model directory"):
        OnnxPredictor.open(package, "cpu")


def test_an_input_size_below_the_smallest_is_refused(package, tmp_path):
    with pytest.raises(InputError, match=r"input_size = 31: the smallest is 32"):
        export_onnx(package, tmp_path / "model.onnx", input_size=31)
    assert not (tmp_path / "model.onnx").exists()


def test_a_configuration_of_other_classes_is_refused(make_network, exported, tmp_path):
    with pytest.raises(InputError, match="100 classes, its configuration 10"):
        export_network(make_network("wrn16-ours", 100), exported("wrn16-ours").config, tmp_path / "model.onnx")


def test_damaged_weights_are_refused(package, tmp_path):
    (package.path / WEIGHTS_FILE).write_bytes(b"damaged")
    with pytest.raises(DigestError):
        export_onnx(package, tmp_path / "model.onnx")


def test_a_failed_export_leaves_the_old_file(make_network, exported, tmp_path, monkeypatch):
    (tmp_path / "model.onnx").write_bytes(b"old")
    monkeypatch.setattr(onnx.checker, "check_model", lambda *_, **__: (_ for _ in ()).throw(RuntimeError("broken")))
    with pytest.raises(RuntimeError, match="broken"):
        export_network(make_network("wrn16-ours"), exported("wrn16-ours").config, tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").read_bytes() == b"old"
