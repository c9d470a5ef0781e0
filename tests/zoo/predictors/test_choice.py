import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from zoo.errors import InputError, PackageError
from zoo.files import sha256
from zoo.hub import open_model
from zoo.package import METRICS_FILE, ONNX_FILES, PARITY_FILE, SERVING_FILE, Package
from zoo.package.timings import Serving
from zoo.predictors.choice import accuracy, choose_execution, executions_of, fast_files, is_acceptable
from zoo.runtime import EXECUTIONS, ComputePrecision, Engine, Execution, Precision, execution_of

FP32 = 90.0
BOTH = ("onnxruntime", "openvino")
VNNI = ("avx512_vnni", "avx512_bf16")
AMX = (*VNNI, "amx_int8", "amx_bf16")
ALL = {"int8": FP32 - 0.3, "openvino-int8": FP32, "openvino-bf16": FP32}


@pytest.fixture
def package(tmp_path: Path) -> Package:
    """A model directory in which nothing is recorded."""
    ignored = shutil.ignore_patterns(PARITY_FILE, SERVING_FILE, METRICS_FILE)
    return Package.open(Path(shutil.copytree(open_model("wrn16-ours").path, tmp_path / "model", ignore=ignored)))


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> "Machine":
    return Machine(monkeypatch)


class Machine:
    """A processor with some instruction sets, on which some engines are installed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def __call__(self, flags: Sequence[str], engines: Sequence[str] = BOTH) -> None:
        self._monkeypatch.setattr("zoo.predictors.choice.instructions", lambda: frozenset(flags))
        self._monkeypatch.setattr("zoo.predictors.choice.find_spec", lambda name: name if name in engines else None)


def record(package: Package, accuracies: dict[Execution, float], images: int = 100, split: str = "test") -> None:
    """Record the accuracy of executions, and that of fp32."""
    found = {"onnx": score(package, "fp32", FP32, 100)}
    for one, own in accuracies.items():
        found[{"int8": "onnx-int8"}.get(one, one)] = score(package, EXECUTIONS[one].file, own, images)
    (package.path / METRICS_FILE).write_text(json.dumps({split: found}))


def score(package: Package, file: Precision, accuracy: float, images: int) -> dict[str, object]:
    digest = sha256(package.path / ONNX_FILES[file])
    return {"images": images, "accuracy": accuracy, "patch_accuracy": 1, "onnx_sha256": digest}


@pytest.mark.parametrize(
    ("flags", "engines", "accuracies", "chosen"),
    [
        # By the processor.
        (("avx2",), BOTH, ALL, "fp32"),
        ((), BOTH, ALL, "fp32"),
        (("avx2", "avx_vnni"), BOTH, ALL, "openvino-int8"),
        (("avx512_vnni",), BOTH, ALL, "openvino-int8"),
        # OpenVINO crashes in int8 with AMX.
        (("amx_int8",), BOTH, ALL, "int8"),
        (AMX, BOTH, ALL, "int8"),
        (AMX, BOTH, {"openvino-int8": FP32, "openvino-bf16": FP32}, "openvino-bf16"),
        (("avx512_bf16",), BOTH, ALL, "openvino-bf16"),
        (("amx_bf16",), BOTH, ALL, "openvino-bf16"),
        (("asimddp",), BOTH, ALL, "int8"),
        (("i8mm",), BOTH, ALL, "int8"),
        # By what is installed.
        (VNNI, ("onnxruntime",), ALL, "int8"),
        (("amx_bf16",), ("onnxruntime",), ALL, "fp32"),
        # By what is recorded.
        (VNNI, BOTH, {}, "fp32"),
        (VNNI, BOTH, {"int8": FP32}, "int8"),
        (VNNI, BOTH, {"int8": FP32 - 0.31}, "fp32"),
        (VNNI, BOTH, {"openvino-int8": FP32 - 0.31, "int8": FP32 - 0.3}, "int8"),
        (VNNI, BOTH, {"openvino-int8": 50, "int8": 50, "openvino-bf16": FP32}, "openvino-bf16"),
        (VNNI, BOTH, {"openvino-fp32": FP32}, "fp32"),
    ],
)
def test_without_a_request_the_fastest_that_keeps_the_accuracy(
    package: Package,
    machine: Machine,
    flags: Sequence[str],
    engines: Sequence[str],
    accuracies: dict[Execution, float],
    chosen: Execution,
) -> None:
    machine(flags, engines)
    record(package, accuracies)
    assert choose_execution(package, "cpu") == chosen


@pytest.mark.parametrize(
    ("engine", "precision", "flags", "chosen"),
    [
        (None, "fp32", VNNI, "fp32"),
        (None, "int8", VNNI, "openvino-int8"),
        (None, "int8", ("avx2",), "int8"),
        (None, "int8", AMX, "int8"),
        (None, "bf16", VNNI, "openvino-bf16"),
        (None, "bf16", ("avx2",), "openvino-bf16"),
        (None, "fp16", VNNI, "fp16"),
        ("onnxruntime", None, VNNI, "int8"),
        ("onnxruntime", None, ("avx2",), "fp32"),
        ("openvino", None, VNNI, "openvino-int8"),
        ("openvino", None, ("avx2",), "openvino-fp32"),
        ("openvino", None, AMX, "openvino-bf16"),
        ("openvino", "int8", ("avx2",), "openvino-int8"),
        ("openvino", "fp32", VNNI, "openvino-fp32"),
    ],
)
def test_what_is_requested(
    package: Package,
    machine: Machine,
    engine: Engine | None,
    precision: ComputePrecision | None,
    flags: Sequence[str],
    chosen: Execution,
) -> None:
    machine(flags)
    record(package, ALL)
    assert choose_execution(package, "cpu", engine, precision) == chosen


def test_a_file_that_is_not_there_is_not_chosen(package: Package, machine: Machine) -> None:
    machine(VNNI)
    record(package, {"int8": FP32, "openvino-int8": FP32})
    (package.path / ONNX_FILES["int8"]).unlink()
    assert choose_execution(package, "cpu") == "fp32"


def test_a_record_of_another_file_or_other_images_says_nothing(package: Package, machine: Machine) -> None:
    machine(VNNI, ("onnxruntime",))
    record(package, {"int8": FP32}, images=99)
    assert choose_execution(package, "cpu") == "fp32"
    assert accuracy(package, "int8") is None
    record(package, {"int8": FP32})
    assert choose_execution(package, "cpu") == "int8"
    with (package.path / ONNX_FILES["int8"]).open("ab") as file:
        file.write(b"\0")
    assert choose_execution(package, "cpu") == "fp32"


def test_held_out_images_say_more_than_the_test_split(package: Package, machine: Machine) -> None:
    machine(VNNI, ("onnxruntime",))
    record(package, {"int8": FP32 - 1}, split="held-out")
    scores = json.loads((package.path / METRICS_FILE).read_text())
    record(package, {"int8": FP32})
    scores |= json.loads((package.path / METRICS_FILE).read_text())
    (package.path / METRICS_FILE).write_text(json.dumps(scores))
    assert accuracy(package, "int8") == (FP32 - 1, -1)
    assert choose_execution(package, "cpu") == "fp32"


def test_one_that_failed_its_parity_check_is_not_chosen(package: Package, machine: Machine) -> None:
    machine(VNNI, ("onnxruntime",))
    record(package, {"int8": FP32})
    digest = sha256(package.path / ONNX_FILES["int8"])
    (package.path / PARITY_FILE).write_text(json.dumps({"int8": {"P": {"passed": False, "onnx_sha256": digest}}}))
    assert choose_execution(package, "cpu") == "fp32"
    assert not is_acceptable(package, "int8")


def test_damaged_metrics_say_nothing(package: Package, machine: Machine) -> None:
    machine(VNNI)
    (package.path / METRICS_FILE).write_text("{")
    assert choose_execution(package, "cpu") == "fp32"
    with pytest.raises(PackageError, match="is not JSON"):
        accuracy(package, "int8")


def test_what_was_tuned_goes_before_the_default_and_after_a_request(package: Package, machine: Machine) -> None:
    machine(VNNI)
    record(package, ALL)
    Serving("openvino-fp32").write(package)
    assert choose_execution(package, "cpu") == "openvino-fp32"
    assert choose_execution(package, "cpu", "onnxruntime") == "int8"
    assert choose_execution(package, "cpu", None, "int8") == "openvino-int8"
    machine(VNNI, ("onnxruntime",))  # OpenVINO was removed
    assert choose_execution(package, "cpu") == "int8"


def test_on_cuda(package: Package, machine: Machine) -> None:
    machine(VNNI)
    record(package, ALL)
    assert choose_execution(package, "cuda") == "fp16"
    assert choose_execution(package, "cuda", None, "int8") == "int8"
    assert choose_execution(package, "cuda", "openvino") == "openvino-int8"
    Serving(cuda_precision="fp32").write(package)
    assert choose_execution(package, "cuda") == "fp32"
    with pytest.raises(InputError, match="ONNX Runtime does not compute in bf16 here"):
        choose_execution(package, "cuda", None, "bf16")


def test_the_bundled_model_is_served_in_int8_where_the_processor_can(machine: Machine) -> None:
    package = open_model("wrn16-ours")
    assert choose_execution(package, "cpu") == "fp32"
    machine(["avx512_vnni"], ("onnxruntime",))
    assert choose_execution(package, "cpu") == "int8"
    assert fast_files() == ("int8", "fp32")


def test_what_can_be_computed_here(package: Package, machine: Machine) -> None:
    assert executions_of(package) == ("fp32", "fp16", "int8")
    machine(["avx2"])
    assert executions_of(package) == ("fp32", "fp16", "int8", "openvino-fp32", "openvino-int8")
    machine(["amx_bf16"])
    assert "openvino-bf16" in executions_of(package)
    machine(AMX)
    assert executions_of(package) == ("fp32", "fp16", "int8", "openvino-fp32", "openvino-bf16")


def test_an_engine_computes_in_its_own_precisions() -> None:
    assert {execution_of(method.engine, method.precision) for method in EXECUTIONS.values()} == set(EXECUTIONS)
    with pytest.raises(InputError, match="OpenVINO does not compute in fp16 here: must be one of fp32, bf16, int8"):
        execution_of("openvino", "fp16")
