"""Contenders of benchmarks/inference.py, those for GPUs included."""

import numpy as np
import pytest
from onnxruntime import InferenceSession
from peers.budget import Budget
from peers.comparison import Measured, compare, summary
from peers.contenders import CONTENDERS, Contender, build_tuned, session_ways
from peers.machine import Roofline
from peers.openvino_requests import openvino_ways
from peers.subject import SIDE, HalfAnswerTuple, Subject

from zoo.outputs import INPUT

pytestmark = pytest.mark.slow

COMPARED = ("PyTorch eager", "plain ONNX", "ours fp32, one run", "ours fp32", "ours fp32, TF32")
KEPT = ", kept arrays"


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    subject = Subject("wrn16-ours", tmp_path_factory.mktemp("subject"), "cpu", 1)
    subject.write_plain()
    subject.write_ours("fp32")
    return subject


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, 3, SIDE, SIDE), dtype=np.uint8)


@pytest.fixture(scope="module")
def measured(subject: Subject, pixels: np.ndarray) -> Measured:
    contenders = [contender for contender in CONTENDERS if contender.name in COMPARED]
    return compare(subject, contenders, pixels, repeats=1, progress=lambda step: None)


def test_contenders_return_the_same_logits(measured: Measured) -> None:
    assert measured.left_out == {}
    assert tuple(measured.facts) == COMPARED
    assert all(facts["logits_error"] < 1e-4 for facts in measured.facts.values())


def test_the_summary_has_a_row_for_each(subject: Subject, measured: Measured) -> None:
    rows = summary(subject, measured, Roofline({"fp32": 1e12}, 1e11))["contenders"]
    assert tuple(rows) == COMPARED
    assert all(row["images_per_second"] > 0 and row["of_peak"] > 0 for row in rows.values())


def test_half_precision_returns_single_precision(subject: Subject, pixels: np.ndarray) -> None:
    import torch

    with torch.inference_mode():
        whole = subject.network.predict(torch.from_numpy(pixels))
        half = HalfAnswerTuple(subject.on_device())(torch.from_numpy(pixels))
    for output, expected in zip(half, whole.values(), strict=True):
        assert output.dtype == torch.float32
        assert (output - expected).abs().max() < 0.05 * expected.abs().max()


def test_products_in_single_precision_are_tf32_on_a_gpu_unless_exact() -> None:
    assert {one.name: one.precision_on("cuda") for one in CONTENDERS if "cuda" in one.devices} == {
        "PyTorch eager": "tf32",
        "torch.compile": "tf32",
        "torch.compile fp16, graph": "fp16",
        "TorchScript": "tf32",
        "plain ONNX": "tf32",
        "ours fp32": "fp32",
        "ours fp32, TF32": "tf32",
        "ours fp16": "fp16",
        "ours fp16, NHWC": "fp16",
        "timm resnet": "tf32",
    }
    assert {one.precision_on("cpu") for one in CONTENDERS if "cpu" in one.devices} == {"fp32", "bf16", "int8"}


def test_ours_tuned_is_the_fastest_of_the_installed_engines(subject: Subject, pixels: np.ndarray) -> None:
    tuned = build_tuned(subject, pixels, "fp32")
    assert tuned.setting.startswith(("ONNX Runtime, ", "OpenVINO, "))
    plain = next(one for one in CONTENDERS if one.name == "plain ONNX").build(subject, pixels)
    np.testing.assert_allclose(tuned.call(pixels)[0], plain.call(pixels)[0], atol=1e-3)


@pytest.mark.parametrize("images", [3, 8])
def test_kept_arrays_hold_the_answers_of_the_last_call(subject: Subject, images: int) -> None:
    first, second = np.random.default_rng(1).integers(0, 256, (2, images, 3, SIDE, SIDE), dtype=np.uint8)
    session = InferenceSession(subject.files["fp32"].path, providers=["CPUExecutionProvider"])
    options = {"INFERENCE_PRECISION_HINT": "f32"}
    ways = session_ways(session, first) | openvino_ways(subject.files["fp32"].path, first, options)
    parts = [f"requests of {part}" for part in (1, 4) if images == 8]
    names = ["one request", *parts]
    assert list(ways) == [*("new arrays", "kept arrays"), *(name + end for name in names for end in ("", KEPT))]
    for pixels in (first, second):
        expected = session.run(None, {INPUT: pixels})
        for call in ways.values():
            for found, array in zip(call(pixels), expected, strict=True):
                np.testing.assert_allclose(found, array, atol=1e-4 * np.abs(array).max())
    for name, call in ways.items():
        assert (call(first)[0] is call(second)[0]) == name.endswith("kept arrays")


def test_a_file_that_could_not_be_exported(
    subject: Subject, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(subject.failed, "int8", "the export failed")
    for name in ("ours int8", "ours int8, tuned", "plain session int8"):
        with pytest.raises(RuntimeError, match="the export failed"):
            next(one for one in CONTENDERS if one.name == name).build(subject, pixels)


def test_a_contender_that_is_not_ready_in_time_is_left_out(subject: Subject, pixels: np.ndarray) -> None:
    def wait(subject: Subject, pixels: np.ndarray) -> None:
        while Budget(None).fits():
            pass

    slow = Contender("slow", wait, package="numpy")  # type: ignore[arg-type]
    first = next(contender for contender in CONTENDERS if contender.required)
    measured = compare(subject, [first, slow], pixels, 1, lambda step: None, build_seconds=0.1)
    assert list(measured.times) == [first.name]
    assert "TimeoutError: not ready after" in measured.left_out["slow"]
