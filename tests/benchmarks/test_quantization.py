import importlib
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from quantization import logits_of, quality, quantize_with_nncf

from training.data.images import LabelledImages
from training.data.prepare import load_split
from zoo.hub import open_model
from zoo.package import ONNX_FILES

pytestmark = pytest.mark.slow


def test_accuracy_and_agreement_of_files(cifar: Path, tmp_path: Path) -> None:
    tested = load_split(str(cifar), "test")
    assert isinstance(tested, LabelledImages)
    tested = LabelledImages(tested.images[:64], tested.labels[:64], tested.classes)
    exact = open_model("wrn16-ours").path / ONNX_FILES["fp32"]
    other = tmp_path / "other.onnx"
    model = onnx.load(exact)
    [head] = [node for node in model.graph.node if "logits" in node.output]
    [bias] = [tensor for tensor in model.graph.initializer if tensor.name == head.input[2]]
    shifted = onnx.numpy_helper.to_array(bias) + 1000 * (np.arange(10) == 3)  # every image is a cat
    bias.CopyFrom(onnx.numpy_helper.from_array(shifted.astype(np.float32), bias.name))
    onnx.save(model, other)
    found = quality({"fp32": exact, "other": other}, tested, True, 1)
    best = logits_of(exact, tested.images.numpy(), 1).argmax(1)
    assert found["fp32"]["agreement"] == 100
    assert found["fp32"]["accuracy"] == pytest.approx(100 * float((best == tested.labels.numpy()).mean()), abs=0.01)
    assert found["other"]["agreement"] == pytest.approx(100 * float((best == 3).mean()), abs=0.01)
    assert found["other"]["accuracy"] == pytest.approx(100 * float((tested.labels == 3).float().mean()), abs=0.01)
    assert quality({"fp32": exact}, tested, False, 1)["fp32"]["accuracy"] is None


def test_nncf_finds_no_telemetry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def quantize(model: onnx.ModelProto, *_: object, **__: object) -> onnx.ModelProto:
        with pytest.raises(ImportError):
            importlib.import_module("openvino_telemetry")
        return model

    (tmp_path / "openvino_telemetry.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "openvino_telemetry", raising=False)
    preset = SimpleNamespace(MIXED="mixed")
    monkeypatch.setitem(
        sys.modules, "nncf", SimpleNamespace(Dataset=list, QuantizationPreset=preset, quantize=quantize)
    )
    file, target = open_model("wrn16-ours").path / ONNX_FILES["fp32"], tmp_path / "nncf.onnx"
    quantize_with_nncf(file, target, np.zeros((2, 3, 32, 32), np.uint8))
    assert target.is_file()
