import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.closeness import assert_alike

from zoo.errors import DeviceError, DigestError, InputError, MissingDependencyError, PackageError
from zoo.files import sha256
from zoo.hub import open_model
from zoo.images.preprocess import Pixels
from zoo.machine import cores, processor
from zoo.package import ONNX_FILES, PARITY_FILE, Package
from zoo.package.timings import Serving
from zoo.predictors.choice import is_possible
from zoo.predictors.onnx import OnnxPredictor
from zoo.predictors.open_execution import open_execution
from zoo.predictors.open_predictor import open_predictor
from zoo.predictors.openvino import OpenVinoPredictor, import_openvino, openvino_core
from zoo.runtime import Runtime


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingDependencyError, match=r"needs OpenVINO.*: pip install 'template-zoo\[openvino\]'"):
        OpenVinoPredictor.open(open_model("wrn16-ours"))


def require_int8() -> None:
    if not is_possible("openvino-int8"):
        pytest.skip("OpenVINO crashes in int8 on this processor")


def noise(count: int) -> Pixels:
    return np.random.default_rng(count).integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)


@pytest.fixture(scope="module")
def expected() -> OnnxPredictor:
    return OnnxPredictor(open_model("wrn16-ours").onnx(), "cpu", 1)


@pytest.fixture
def package(tmp_path: Path) -> Package:
    pytest.importorskip("openvino")
    shutil.copytree(open_model("wrn16-ours").path, tmp_path / "model")
    return Package.open(tmp_path / "model")


@pytest.mark.parametrize("runtime", [None, Runtime(1, 0), Runtime(1, 2), Runtime(2, 0), Runtime(3, 1)])
def test_it_answers_as_onnx_runtime(package: Package, runtime: Runtime | None, expected: OnnxPredictor) -> None:
    predictor = OpenVinoPredictor.open(package, "openvino-fp32", 3, runtime)
    predictor.warm_up(4)
    for count in (1, 2, 9):
        assert_alike(predictor(noise(count)), expected(noise(count)))


def test_it_knows_its_model_and_device(package: Package) -> None:
    require_int8()
    predictor = OpenVinoPredictor.open(package, "openvino-int8", 2)
    assert (predictor.device, predictor.processor) == ("OpenVINO on the CPU", processor())
    assert (predictor.execution, predictor.precision) == ("openvino-int8", "int8")
    assert (predictor.config, predictor.onnx_sha256) == (package.config, sha256(package.onnx("int8")))
    assert not predictor.on_cuda
    assert not predictor.captures
    with pytest.raises(InputError, match="expects uint8 pixels"):
        predictor(np.zeros((1, 3, 16, 16), np.uint8))


@pytest.mark.parametrize("free", [1, 2])
def test_with_fewer_threads_than_its_own(package: Package, free: int, expected: OnnxPredictor) -> None:
    asked: list[int] = []

    @contextmanager
    def share(threads: int) -> Iterator[int]:
        asked.append(threads)
        yield free

    predictor = OpenVinoPredictor.open(package, "openvino-fp32", 3, share=share)
    for count in (1, 9):
        assert_alike(predictor(noise(count)), expected(noise(count)))
    assert asked == [3, 3]


def test_one_thread_computes_pieces_for_which_it_is_compiled(
    package: Package, monkeypatch: pytest.MonkeyPatch, expected: OnnxPredictor
) -> None:
    openvino = import_openvino()
    seen: list[str] = []
    compile_model = openvino.Core.compile_model

    def record(self: object, model: Any, device: str, options: dict[str, Any]) -> object:
        seen.append(str(model.inputs[0].partial_shape[0]))
        return compile_model(self, model, device, options)

    monkeypatch.setattr(openvino.Core, "compile_model", record)
    predictor = OpenVinoPredictor.open(package, "openvino-fp32", 2, share=lambda threads: nullcontext(1))
    predictor.warm_up(32)
    assert "?" not in seen
    del seen[:]
    for count in (7, 31):
        assert_alike(predictor(noise(count)), expected(noise(count)))
    assert seen == []


def test_asked_from_many_threads(package: Package, expected: OnnxPredictor) -> None:
    predictor = OpenVinoPredictor.open(package, "openvino-fp32", 2)
    batches = [noise(1 + index % 6) for index in range(24)]
    with ThreadPoolExecutor(4) as pool:
        for batch, answer in zip(batches, pool.map(predictor, batches), strict=True):
            assert_alike(answer, expected(batch))
    assert threading.active_count() < 10


def test_the_precision_is_always_said(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    require_int8()
    openvino = import_openvino()
    seen: list[dict[str, object]] = []
    compile_model = openvino.Core.compile_model

    def record(self: object, model: object, device: str, options: dict[str, object]) -> object:
        seen.append(options)
        return compile_model(self, model, device, options)

    monkeypatch.setattr(openvino.Core, "compile_model", record)
    OpenVinoPredictor.open(package, "openvino-fp32", 2)(noise(8))
    OpenVinoPredictor.open(package, "openvino-int8", 2)
    assert [one["INFERENCE_PRECISION_HINT"] for one in seen] == ["f32", "f32", "f32"]
    assert [(one["NUM_STREAMS"], one["INFERENCE_NUM_THREADS"]) for one in seen] == [(1, 2), (2, 2), (1, 2)]


def test_networks_are_compiled_for_equal_parts_of_usual_sizes(
    package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    openvino = import_openvino()
    seen: list[tuple[str, int]] = []
    compile_model = openvino.Core.compile_model

    def record(self: object, model: Any, device: str, options: dict[str, Any]) -> object:
        seen.append((str(model.inputs[0].partial_shape[0]), options["NUM_STREAMS"]))
        return compile_model(self, model, device, options)

    monkeypatch.setattr(openvino.Core, "compile_model", record)
    predictor = OpenVinoPredictor.open(package, "openvino-fp32", 2, Runtime(streams=2, part=4))
    for images, compiled in ((1, []), (8, [("4", 2)]), (2, [("1", 2)]), (7, [("?", 2)]), (6, []), (8, [])):
        del seen[:]
        predictor(noise(images))
        assert seen == compiled, images
    predictor.warm_up(64)
    del seen[:]
    for images in range(1, 65):
        predictor(noise(images))
    assert seen == []


def test_bf16_needs_its_instructions(package: Package) -> None:
    if "BF16" in openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this processor has them")
    with pytest.raises(DeviceError, match=r"no instructions for bf16 .*, which need AVX512-BF16 or AMX; use"):
        OpenVinoPredictor.open(package, "openvino-bf16", 1)


def test_int8_is_refused_where_openvino_crashes(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.predictors.choice.instructions", lambda: frozenset(["avx512_vnni", "amx_int8"]))
    with pytest.raises(DeviceError, match=r"OpenVINO crashes in int8 on this processor .* use --engine onnxruntime"):
        OpenVinoPredictor.open(package, "openvino-int8", 1)
    OpenVinoPredictor.open(package, "openvino-fp32", 1)


@pytest.mark.process
def test_signals_are_handled_after_predictors_were_freed(package: Package) -> None:
    # Each of OpenVINO's cores gives its thread a stack for signals, which is overwritten after it was freed.
    code = f"""
import signal, time
from pathlib import Path
from zoo.predictors.openvino import OpenVinoPredictor

file = Path({str(package.path / ONNX_FILES["fp32"])!r})
two = [OpenVinoPredictor(file, threads=1), OpenVinoPredictor(file, threads=1)]
del two[0], two[0]
handled = []
signal.signal(signal.SIGALRM, lambda number, frame: handled.append(number))
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
until = time.monotonic() + 1
while time.monotonic() < until:
    [str(value) for value in range(10)]
signal.setitimer(signal.ITIMER_REAL, 0)
print(len(handled) > 10)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False)
    assert (run.returncode, run.stdout) == (0, "True\n")


def test_what_was_tuned_is_used(package: Package) -> None:
    digest = sha256(package.path / ONNX_FILES["fp32"])
    chosen = Runtime(streams=1, part=2)
    Serving("openvino-fp32", cores(), 2, processor(), onnx_sha256=digest, runtime=chosen).write(package)
    predictor = OpenVinoPredictor.open(package, "openvino-fp32", 2)
    assert (predictor.runtime, predictor.tuned) == (chosen, True)
    # The same file with another engine was not tuned.
    assert not OnnxPredictor.open(package, "cpu", 2, "fp32").tuned


def test_it_is_opened_where_it_was_chosen(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.predictors.choice.find_spec", lambda name: name)
    Serving("openvino-fp32").write(package)
    assert isinstance(open_predictor(package), OpenVinoPredictor)


def test_it_does_not_compute_on_cuda(package: Package) -> None:
    with pytest.raises(DeviceError, match="OpenVINO computes on the CPU only: use --device cpu"):
        open_execution(package, "openvino-fp32", "cuda")


def test_a_file_that_was_verified_otherwise(package: Package) -> None:
    (package.path / PARITY_FILE).write_text('{"openvino-fp32": {"OpenVINO CPU": {"onnx_sha256": "0"}}}')
    with pytest.raises(DigestError, match=r"parity\.json was written for 0"):
        OpenVinoPredictor.open(package)
    OpenVinoPredictor.open(package, require_verified=False)
    OnnxPredictor.open(package, "cpu", precision="fp32")


def test_a_damaged_file(package: Package) -> None:
    (package.path / PARITY_FILE).unlink()
    (package.path / ONNX_FILES["fp32"]).write_bytes(b"not ONNX")
    with pytest.raises(PackageError, match=r"cannot open .*model\.onnx"):
        OpenVinoPredictor.open(package)


def test_a_file_in_another_precision_than_its_name_says(package: Package) -> None:
    require_int8()
    (package.path / PARITY_FILE).unlink()
    shutil.copy(package.path / ONNX_FILES["fp32"], package.path / ONNX_FILES["int8"])
    with pytest.raises(PackageError, match=r"model\.int8\.onnx has precision fp32, not int8"):
        OpenVinoPredictor.open(package, "openvino-int8")


@pytest.mark.process
def test_nothing_is_printed_or_reported() -> None:
    pytest.importorskip("openvino")
    code = (
        "import sys; from zoo.hub import open_model; from zoo.predictors.openvino import OpenVinoPredictor\n"
        "import numpy as np; OpenVinoPredictor.open(open_model('wrn16-ours'))(np.zeros((1, 3, 32, 32), np.uint8))\n"
        "assert 'openvino_telemetry' not in sys.modules"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
