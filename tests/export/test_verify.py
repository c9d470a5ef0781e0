import json
from dataclasses import replace
from importlib.metadata import version

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from safetensors.torch import load_file, save_file
from support.onnx_files import copy_as

from export.images import read_folder_pixels
from export.onnx_file import export_onnx
from export.parity import TOLERANCES, ParityError
from export.parity_file import drop_stale_records
from export.verify import out_of_distribution_images, verify
from zoo.errors import DigestError, InputError, PackageError
from zoo.files import sha256, write_json
from zoo.machine import processor
from zoo.outputs import EMBEDDING, STANDARD
from zoo.package import CONFIG_FILE, ONNX_FILES, PARITY_FILE, WEIGHTS_FILE, Package
from zoo.package.onnx_metadata import onnx_metadata
from zoo.predictors.onnx import OnnxPredictor
from zoo.predictors.torch import TorchPredictor
from zoo.runtime import EXECUTIONS

pytestmark = pytest.mark.slow


def tamper(package, tensor, change, precision="fp32"):
    """Change one tensor of an ONNX file."""
    file = package.path / ONNX_FILES[precision]
    model = onnx.load(file)
    [initializer] = [entry for entry in model.graph.initializer if entry.name.endswith(tensor)]
    initializer.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(initializer)), initializer.name))
    onnx.save(model, file)


def scale_classifier(package, factor):
    """Multiply the class logits of a network and of its ONNX file; the model directory as it is then."""
    weights = load_file(package.path / WEIGHTS_FILE)
    for name in ("classifier.weight", "classifier.bias"):
        weights[name] *= factor
    save_file(weights, package.path / WEIGHTS_FILE)
    tamper(package, "classifier.weight", lambda weight: weight * np.float32(factor))
    tamper(package, "classifier.bias", lambda bias: bias * np.float32(factor))
    config = replace(package.config, weights_sha256=sha256(package.path / WEIGHTS_FILE))
    (package.path / CONFIG_FILE).write_text(config.to_json())
    model = onnx.load(package.onnx())
    onnx.helper.set_model_props(model, onnx_metadata(config, "fp32", (*STANDARD, EMBEDDING)))
    onnx.save(model, package.onnx())
    return Package.open(package.path)


def test_parity_is_measured_and_recorded(package, pixels):
    parity = verify(package, pixels(66))
    assert parity.passed
    assert parity.images == 66
    assert parity.batch_sizes == (1, 2, 7, 31, 33, 64)
    assert list(parity.max_abs_error) == ["logits", "patch_logits", "assignment", "embedding"]
    assert all(0 < error <= parity.tolerance.max_abs_error(magnitude) for _, error, magnitude in parity.deviations())
    assert all(share > 0.999 for share in parity.agreement.values())
    assert parity.provider == "CPUExecutionProvider"
    assert parity.onnx_sha256 == sha256(package.onnx())
    assert parity.weights_sha256 == package.config.weights_sha256

    assert 0 < parity.total_variation < 1e-5

    record = package.parity()["fp32"]["CPUExecutionProvider"]
    assert record["passed"] is True
    assert record["tolerance"] == {"atol": 1e-4, "rtol": 1e-5, "min_agreement": 0.999}
    largest = np.abs(TorchPredictor.open(package)(pixels(66)).logits).max()
    assert record["max_magnitude"]["logits"] == pytest.approx(largest, rel=1e-4)
    assert record["max_abs_error"] == parity.max_abs_error
    assert record["batch_sizes"] == list(parity.batch_sizes)
    assert set(record) == set(parity.__dataclass_fields__)
    assert package.verified_sha256("fp32") == parity.onnx_sha256


def test_every_image_is_compared(package, pixels, monkeypatch):
    seen = []
    predict = OnnxPredictor.__call__

    def record(self, images):
        seen.append(images)
        return predict(self, images)

    monkeypatch.setattr(OnnxPredictor, "__call__", record)
    monkeypatch.setattr("export.verify.BATCH_SIZES", (1, 2, 4))
    images = pixels(11)
    parity = verify(package, images)
    assert [len(batch) for batch in seen] == [1, 1, 1, 1, 2, 2, 4, 4, 3, 5]
    assert parity.batch_sizes == (1, 2, 3, 4)
    assert (seen[-2] == images[8:]).all()
    assert (seen[-1] == out_of_distribution_images(32)).all()


def test_a_variant_without_the_block_has_no_assignment(complete_package, tmp_path, pixels):
    package = complete_package(tmp_path / "wrn16", "wrn16")
    assert list(verify(package, pixels(3)).max_abs_error) == ["logits", "patch_logits", "embedding"]


def test_a_difference_above_the_limit_fails_and_is_recorded(package, pixels):
    tamper(package, "classifier.bias", lambda bias: bias + 0.01)
    with pytest.raises(
        ParityError,
        match=r"logits differs from PyTorch by up to 0\.01, above the limit of 0\.0001\d* \(atol 0\.0001 \+ rtol "
        r"1e-05 x its largest magnitude [\d.]+\); .* --atol or --rtol",
    ):
        verify(package, pixels(3))
    record = package.parity()["fp32"]["CPUExecutionProvider"]
    assert record["passed"] is False
    assert record["max_abs_error"]["logits"] == pytest.approx(0.01, rel=0.01)
    assert record["max_abs_error"]["assignment"] <= 1e-4


def test_the_limit_grows_with_the_networks_numbers(package, pixels):
    package = scale_classifier(package, 1000)
    tamper(package, "classifier.bias", lambda bias: bias + 0.005)
    parity = verify(package, pixels(3))
    assert parity.max_magnitude["logits"] > 1000
    assert 1e-4 < parity.max_abs_error["logits"] < 1e-5 * parity.max_magnitude["logits"]
    # Each output by its own numbers.
    assert parity.max_magnitude["assignment"] <= 1
    with pytest.raises(ParityError, match=r"logits differs .* rtol 0 x its largest magnitude"):
        verify(package, pixels(3), rtol=0)


def test_on_cuda_more_may_differ_than_on_the_cpu(package, pixels, fake_cuda):
    tamper(package, "classifier.bias", lambda bias: bias + 5e-4)
    with pytest.raises(ParityError):
        verify(package, pixels(3))
    parity = verify(package, pixels(3), device="cuda")
    assert parity.tolerance == TOLERANCES["fp32", "CUDAExecutionProvider"]
    assert parity.processor == "NVIDIA Fake 100"
    records = package.parity()["fp32"]
    assert {name: record["processor"] for name, record in records.items()} == {
        "CPUExecutionProvider": processor(),
        "CUDAExecutionProvider": "NVIDIA Fake 100",
    }


@pytest.mark.cuda
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_on_a_gpu(package, cifar, precision):
    if precision == "fp16":
        export_onnx(package, package.path / ONNX_FILES["fp16"], precision="fp16")
    parity = verify(package, read_folder_pixels(cifar, 32, 256), precision, device="cuda")
    assert parity.passed
    assert parity.provider == "CUDAExecutionProvider"
    assert "NVIDIA" in parity.processor
    assert package.parity()[precision]["CUDAExecutionProvider"]["processor"] == parity.processor


def test_in_8_bits_the_answers_count_and_not_the_numbers(package, pixels):
    copy_as(package, "int8")
    tamper(package, "classifier.bias", lambda bias: bias + 0.01, "int8")
    assert verify(package, pixels(3), "int8").passed
    tamper(package, "classifier.bias", lambda bias: bias * 0 + np.eye(10, dtype=np.float32)[3] * 50, "int8")
    with pytest.raises(ParityError, match=r"most probable class agrees .*% of the images, below .* 97"):
        verify(package, pixels(16), "int8")
    assert verify(package, pixels(16), "int8", agreement=0).passed


@pytest.mark.parametrize("output", ["logits", "patch_logits"])
def test_classes_of_images_and_of_patches_must_agree(package, pixels, output):
    parity = verify(package, pixels(3))
    below = replace(parity, agreement={**parity.agreement, output: 0.998})
    assert parity.passed
    assert not below.passed
    error = ParityError("model.onnx", below)
    assert ("patches" in str(error)) == (output == "patch_logits")
    assert replace(parity, agreement={**parity.agreement, "assignment": 0.5}).passed


def test_larger_limits_let_it_pass(package, pixels):
    tamper(package, "classifier.bias", lambda bias: bias + 0.01)
    assert verify(package, pixels(3), atol=0.02).passed
    tolerance = package.parity()["fp32"]["CPUExecutionProvider"]["tolerance"]
    assert (tolerance["atol"], tolerance["rtol"]) == (0.02, 1e-5)
    assert verify(package, pixels(3), rtol=0.1).passed


def test_nan_fails_and_the_record_is_still_json(package, pixels):
    tamper(package, "classifier.bias", lambda bias: bias * float("nan"))
    with pytest.raises(ParityError) as error:
        verify(package, pixels(1))
    assert not error.value.parity.passed
    json.loads((package.path / PARITY_FILE).read_text(), parse_constant=pytest.fail)


def test_other_outputs_are_refused(package, pixels):
    file = package.path / ONNX_FILES["fp32"]
    model = onnx.load(file)
    del model.graph.output[2]
    onnx.save(model, file)
    with pytest.raises(PackageError, match=r"ONNX file are logits .*, patch_logits .*, .* PyTorch .*, assignment"):
        verify(package, pixels(1))


def test_damaged_weights_are_refused(package, pixels):
    (package.path / WEIGHTS_FILE).write_bytes(b"damaged")
    with pytest.raises(DigestError):
        verify(package, pixels(1))


def test_a_file_of_other_weights_is_refused(package, pixels, exported):
    (package.path / ONNX_FILES["fp32"]).write_bytes(exported("wrn16-ours").file.read_bytes())
    with pytest.raises(PackageError, match="not exported from this model directory"):
        verify(package, pixels(1))
    assert package.parity() == {}


def test_a_comparison_that_fails_keeps_the_proof_of_another_file(package, pixels):
    verify(package, pixels(1))
    record = (package.path / PARITY_FILE).read_bytes()
    tamper(package, "classifier.bias", lambda bias: bias + 1)
    weights = (package.path / WEIGHTS_FILE).read_bytes()
    (package.path / WEIGHTS_FILE).write_bytes(b"damaged")
    with pytest.raises(DigestError):
        verify(package, pixels(1))
    assert (package.path / PARITY_FILE).read_bytes() == record
    (package.path / WEIGHTS_FILE).write_bytes(weights)
    with pytest.raises(ParityError):
        verify(package, pixels(1))
    assert package.verified_sha256("fp32") == sha256(package.onnx())


def test_a_directory_without_an_onnx_file_is_refused_and_keeps_its_proof(package, pixels):
    verify(package, pixels(1))
    verified = package.verified_sha256("fp32")
    package.onnx().unlink()
    with pytest.raises(PackageError, match="zoo export"):
        verify(package, pixels(1))
    assert package.verified_sha256("fp32") == verified


@pytest.mark.parametrize("agreement", [-0.1, 1.1, float("nan")])
def test_an_agreement_that_is_no_share_is_refused(package, pixels, agreement):
    with pytest.raises(InputError, match="agreement"):
        verify(package, pixels(1), agreement=agreement)


@pytest.mark.parametrize(("count", "size"), [(0, 32), (1, 40)])
def test_pixels_of_another_shape_are_refused(package, pixels, count, size):
    with pytest.raises(InputError, match=r"expects uint8 pixels \[N, 3, 32, 32\] with N >= 1"):
        verify(package, pixels(count, size))


@pytest.mark.parametrize("name", ["atol", "rtol"])
@pytest.mark.parametrize("value", [-1e-4, float("nan"), float("inf")])
def test_limits_that_cannot_be_are_refused(package, pixels, name, value):
    with pytest.raises(InputError, match=f"{name} = {value}: must be finite and not negative"):
        verify(package, pixels(1), **{name: value})


def test_out_of_distribution_images_are_what_they_are_called() -> None:
    black, white, noise, two_valued, hot = out_of_distribution_images(32)
    assert (black == 0).all()
    assert (white == 255).all()
    assert len(np.unique(noise)) > 200
    assert set(np.unique(two_valued)) == {0, 255}
    assert (hot == 255).sum() == 3
    assert (hot == 0).sum() == 3 * 32 * 32 - 3


def test_out_of_distribution_images_have_the_size_and_are_the_same_each_time() -> None:
    assert out_of_distribution_images(84).shape == (5, 3, 84, 84)
    assert out_of_distribution_images(84).dtype == np.uint8
    assert (out_of_distribution_images(40) == out_of_distribution_images(40)).all()


def test_a_file_of_an_earlier_version_has_no_embedding_and_passes(package, pixels):
    model = onnx.load(package.onnx())
    kept = [output for output in model.graph.output if output.name != EMBEDDING.name]
    del model.graph.output[:]
    model.graph.output.extend(kept)
    onnx.helper.set_model_props(model, onnx_metadata(package.config, "fp32", STANDARD))
    onnx.save(model, package.onnx())
    parity = verify(package, pixels(3))
    assert parity.passed
    assert list(parity.max_abs_error) == ["logits", "patch_logits", "assignment"]


def test_an_embedding_that_differs_is_found(package, pixels):
    model = onnx.load(package.onnx())
    for node in model.graph.node:
        if EMBEDDING.name in node.output:
            node.output[:] = ["own"]
        node.input[:] = ["own" if name == EMBEDDING.name else name for name in node.input]
    model.graph.initializer.append(numpy_helper.from_array(np.array(0.01, np.float32), "more"))
    model.graph.node.append(onnx.helper.make_node("Add", ["own", "more"], [EMBEDDING.name]))
    onnx.save(model, package.onnx())
    with pytest.raises(ParityError, match=r"embedding differs from PyTorch by up to 0\.01"):
        verify(package, pixels(3))


def test_openvino_has_a_record_of_its_own(package, pixels):
    pytest.importorskip("openvino")
    verify(package, pixels(3))
    parity = verify(package, pixels(5), "openvino-fp32")
    assert (parity.passed, parity.provider, parity.openvino) == (True, "OpenVINO CPU", version("openvino"))
    record = package.parity()
    assert record["openvino-fp32"]["OpenVINO CPU"]["images"] == 5
    own = record["fp32"]["CPUExecutionProvider"]
    assert (own["images"], own["openvino"]) == (3, "")
    with pytest.raises(ParityError, match=r"model\.onnx in openvino-fp32: .*logits differs from PyTorch"):
        verify(package, pixels(3), "openvino-fp32", atol=0, rtol=0)
    assert package.verification_failed("openvino-fp32")
    assert not package.verification_failed("fp32")


def test_records_of_all_engines_are_dropped_with_a_file(package, pixels):
    verify(package, pixels(1))
    record = package.parity()
    for one in ("openvino-fp32", "openvino-bf16", "openvino-int8"):
        record[one] = record["fp32"]
    write_json(package.path / PARITY_FILE, record)
    assert drop_stale_records(package, "fp32") == {}
    with package.onnx().open("ab") as file:
        file.write(b"\0")
    assert set(drop_stale_records(package, "fp32")) == {"fp32", "openvino-fp32", "openvino-bf16"}
    assert set(package.parity()) == {"openvino-int8"}


def test_every_execution_has_limits():
    assert {execution for execution, _ in TOLERANCES} == set(EXECUTIONS)
    bf16, fp16 = TOLERANCES["openvino-bf16", "OpenVINO CPU"], TOLERANCES["fp16", "CPUExecutionProvider"]
    assert bf16.atol > fp16.atol
    assert bf16.min_agreement < fp16.min_agreement
