import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from subprocess import CompletedProcess

import onnxruntime
import pytest
from support.fake_cuda import FakeCuda
from support.onnx_files import copy_as

from serve.settings import MAX_BATCH
from serve.tuning import stopwatch
from serve.tuning.report import describe_choice
from serve.tuning.stopwatch import Seconds, Setting
from serve.tuning.tune import Measure, judge, search, tune, write
from zoo.errors import InputError, MissingDependencyError, PackageError
from zoo.files import sha256
from zoo.hub import open_model
from zoo.machine import cores, processor
from zoo.package import ONNX_FILES, PARITY_FILE, SERVING_FILE, Package
from zoo.package.timings import Serving
from zoo.predictors.onnx import OnnxPredictor
from zoo.runtime import EXECUTIONS, Execution, Precision, Runtime

RunZoo = Callable[..., CompletedProcess[str]]
Cost = Callable[[Runtime, int], float]

FIELDS = ("execution", "cores", "threads", "onnx_sha256", "runtime")


@pytest.fixture
def package(tmp_path: Path) -> Package:
    """A copy of a bundled model with one ONNX file, without a proof of it."""
    ignored = shutil.ignore_patterns(PARITY_FILE, SERVING_FILE, ONNX_FILES["fp16"], ONNX_FILES["int8"])
    return Package.open(Path(shutil.copytree(open_model("wrn16-ours").path, tmp_path / "model", ignore=ignored)))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """As few calls as can be."""
    monkeypatch.setattr(stopwatch, "TURNS", 1)
    monkeypatch.setattr(stopwatch, "WARM_UP", 0)
    monkeypatch.setattr(stopwatch, "QUIET_SECONDS", 0.001)


def costing(cost: Cost, seen: list[tuple[Setting, ...]] | None = None) -> Measure:
    """A stopwatch of a made-up machine."""

    def measure(settings: Sequence[Setting], batches: Sequence[int]) -> list[Seconds]:
        assert len(set(settings)) == len(settings)
        if seen is not None:
            seen.append(tuple(settings))
        speed: dict[Execution, float] = {"fp32": 1, "fp16": 0.5, "int8": 2}
        return [{batch: cost(runtime, batch) / speed[one] for batch in batches} for one, runtime in settings]

    return measure


def alike(runtime: Runtime, batch: int) -> float:
    return 1.0


def made_up(runtime: Runtime, batch: int) -> float:
    """Best are 4 streams of 2 threads with 8 images in a part, which wait asleep; the arena costs a little."""
    streams = runtime.on(8).streams
    cost = 1.0 if runtime.optimization == "all" else 1.5
    cost *= 1.1 if runtime.arena else 1.0
    cost *= 1.2 if runtime.spin else 1.0
    if batch > 1:
        cost *= {8: 1.3, 4: 1.0, 1: 2.0}[streams] * (1 + abs((runtime.part or 16) - 8) / 10)
    return cost


def test_the_best_of_a_made_up_machine_is_found() -> None:
    best, trials = search(costing(made_up), "fp32", threads=8, batch=64)
    assert best == Runtime(streams=4, part=8, spin=False, arena=False)
    assert [trial.runtime for trial in trials if trial.kept][-1] == best
    assert trials[-1].why == "no arena: 1.10 times as fast at batch 1 and 1.10 times as fast at batch 64"
    assert trials[-1].seconds == {"1": 1.0, "64": 1.0}
    assert trials[-1].against == {"1": 1.1, "64": 1.1}


@pytest.mark.parametrize("threads", [1, 2, 3, 8, 200])
def test_the_defaults_stay_where_nothing_is_better(threads: int) -> None:
    best, trials = search(costing(alike), "fp32", threads=threads, batch=64)
    assert best == Runtime()
    assert trials
    assert not any(trial.kept for trial in trials)


def test_the_defaults_stay_where_nothing_is_better_by_the_margin() -> None:
    best, _ = search(costing(lambda runtime, batch: 1.0 if runtime == Runtime() else 0.98), "fp32", 2, 64)
    assert best == Runtime()


def test_what_helps_one_batch_and_hurts_the_other_is_not_kept() -> None:
    def cost(runtime: Runtime, batch: int) -> float:
        return 1.0 if runtime.arena else {1: 0.5, 64: 1.1}[batch]

    best, trials = search(costing(cost), "fp32", 2, 64)
    assert best == Runtime()
    assert trials[-1].why.startswith("no arena: 2.00 times as fast at batch 1 and 0.91 times as fast at batch 64: ")


def test_what_was_faster_only_once_is_not_kept() -> None:
    times = iter([2.0, 1.0, 2.0, 2.0])

    def cost(runtime: Runtime, batch: int) -> float:
        return next(times, 2.0)

    best, trials = search(costing(cost), "fp32", 2, 64)
    assert best == Runtime()
    assert trials[0].why == "2 streams, single images: 1.00 times as fast at batch 64: within the margin of 3%"


@pytest.mark.parametrize(("threads", "batch"), [(1, 2), (2, 64), (3, 5), (8, 64), (64, 16), (64, 64)])
def test_no_two_trials_are_the_same(threads: int, batch: int) -> None:
    _, trials = search(costing(alike), "fp32", threads, batch)
    done = set()
    for runtime in (Runtime(), *(trial.runtime for trial in trials)):
        parts = runtime.parts(batch, threads)
        streams = 1 if parts == 1 else runtime.on(threads).streams
        done.add((streams, parts, replace(runtime, streams=0, part=0)))
    assert len(done) == len(trials) + 1


def test_threads_that_wait_for_nobody_do_not_spin() -> None:
    seen: list[tuple[Setting, ...]] = []
    search(costing(alike, seen), "fp32", threads=1, batch=8)
    assert all(setting.runtime.spin for settings in seen for setting in settings)


def test_judging() -> None:
    assert judge({1: 1.0}, {1: 1.0}) == (False, "1.00 times as fast at batch 1: within the margin of 3%")
    assert judge({64: 1.42}, {64: 1.0}) == (True, "1.42 times as fast at batch 64")
    assert judge({1: 1.0, 64: 1.0}, {1: 1.0, 64: 2.0})[0] is False
    assert judge({1: 1.0, 64: 2.0}, {1: 1.01, 64: 1.0})[0] is True


def test_what_was_found_is_measured_against_the_defaults_and_the_other_precisions(package: Package) -> None:
    copy_as(package, "int8")
    found = tune(package, device="cpu", threads=8, measure=costing(made_up))
    best = Runtime(streams=4, part=8, spin=False, arena=False)
    assert list(found.compared) == [Setting("fp32", Runtime()), Setting("fp32", best), Setting("int8", best)]
    assert found.compared["fp32", best] == {1: 1.0, MAX_BATCH["cpu"]: 1.0}
    assert found.compared["int8", best] == {1: 0.5, MAX_BATCH["cpu"]: 0.5}
    expected = ("fp32", cores(), 8, sha256(package.onnx()), best)
    assert tuple(getattr(found.serving, name) for name in FIELDS) == expected
    assert (found.serving.processor, found.serving.onnxruntime) == (processor(), onnxruntime.__version__)
    assert not (package.path / SERVING_FILE).exists()


@pytest.mark.parametrize("precisions", [("fp32",), ("fp32", "int8")])
@pytest.mark.parametrize(("cost", "kept"), [(1.05, False), (1.0, False), (0.98, False), (0.9, True)])
def test_the_defaults_win_unless_the_last_comparison_says_otherwise(
    package: Package, monkeypatch: pytest.MonkeyPatch, precisions: tuple[Precision, ...], cost: float, kept: bool
) -> None:
    for one in precisions[1:]:
        copy_as(package, one)
    noise = Runtime(arena=False)
    monkeypatch.setattr("serve.tuning.tune.search", lambda *_: (noise, ()))
    found = tune(package, device="cpu", threads=1, measure=costing(lambda runtime, _: 1.0 if runtime.arena else cost))
    served = noise if kept else Runtime()
    assert found.serving.runtime == served
    assert list(found.compared) == list(
        dict.fromkeys([Setting("fp32", Runtime()), *(Setting(one, served) for one in precisions)])
    )
    [last] = found.serving.trials
    assert (last.runtime, last.kept) == (noise, kept)
    assert (last.against, last.seconds) == (
        {"1": 1.0, str(MAX_BATCH["cpu"]): 1.0},
        {"1": cost, str(MAX_BATCH["cpu"]): cost},
    )
    assert last.why.startswith(f"the choice against the defaults: {1 / cost:.2f} times as fast at batch 1 and")


def test_what_was_written_is_how_the_model_is_computed(package: Package) -> None:
    found = tune(package, device="cpu", threads=8, measure=costing(made_up))
    assert write(found.serving, package) == package.path / SERVING_FILE
    assert Serving.read(package) == found.serving
    predictor = OnnxPredictor.open(package, "cpu", 8)
    assert predictor.tuned
    assert predictor.runtime == found.serving.runtime


def record_parity(package: Package, **passed: bool) -> None:
    files = {one: sha256(package.path / ONNX_FILES[EXECUTIONS[one].file]) for one in passed}
    own = {"agreement": {"logits": 0.99}, "total_variation": 0.01, "weights_sha256": package.config.weights_sha256}
    records = {one: {"P": own | {"passed": passed[one], "onnx_sha256": files[one]}} for one in passed}
    (package.path / PARITY_FILE).write_text(json.dumps(records))


@pytest.mark.parametrize(
    ("flags", "passed", "chosen"),
    [
        ({"avx512_vnni"}, {"int8": True}, "int8"),
        ({"avx512_vnni"}, {"int8": False}, "fp32"),
        ({"avx512_vnni"}, {}, "fp32"),
        ({"avx2"}, {"int8": True}, "fp32"),
    ],
)
def test_the_fastest_is_chosen_of_those_that_keep_the_accuracy(
    package: Package, monkeypatch: pytest.MonkeyPatch, flags: set[str], passed: dict[str, bool], chosen: str
) -> None:
    copy_as(package, "int8")
    record_parity(package, **passed)
    monkeypatch.setattr("zoo.predictors.choice.instructions", lambda: frozenset(flags))
    serving = tune(package, None, "cpu", 1, measure=costing(alike)).serving
    assert serving.execution == chosen
    assert serving.agreement == (0.99 if chosen == "int8" else None)


def test_the_measured_accuracy_is_saved_with_the_choice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shutil.copytree(open_model("wrn16-ours").path, tmp_path / "model")
    package = Package.open(tmp_path / "model")
    monkeypatch.setattr("zoo.predictors.choice.instructions", lambda: frozenset({"avx_vnni"}))
    found = tune(package, None, "cpu", 1, measure=costing(alike))
    assert (found.serving.execution, found.serving.accuracy, found.serving.accuracy_gain) == ("int8", 89.99, -0.14)
    assert describe_choice(found).endswith("; accuracy 89.99% (-0.14)")


def test_one_that_is_hardly_faster_is_not_chosen(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    copy_as(package, "int8")
    record_parity(package, int8=True)
    monkeypatch.setattr("zoo.predictors.choice.instructions", lambda: frozenset({"avx_vnni"}))

    def measure(settings: Sequence[Setting], batches: Sequence[int]) -> list[Seconds]:
        return [dict.fromkeys(batches, 0.98 if one == "int8" else 1.0) for one, _ in settings]

    assert tune(package, None, "cpu", 1, measure=measure).serving.execution == "fp32"


def test_a_precision_that_is_asked_for_is_chosen_whatever_its_accuracy(package: Package) -> None:
    for one in ("fp16", "int8"):
        copy_as(package, one)
    assert tune(package, "int8", "cpu", 1, measure=costing(alike)).serving.execution == "int8"
    assert tune(package, "fp16", "cpu", 1, measure=costing(alike)).serving.execution == "fp16"
    with pytest.raises(InputError, match="ONNX Runtime does not compute in bf16 here: must be one of fp32, fp16, int8"):
        tune(package, "bf16", "cpu", 1, measure=costing(alike), engine="onnxruntime")


def test_an_engine_that_is_not_installed(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingDependencyError, match=r"needs OpenVINO.*: pip install 'template-zoo\[openvino\]'"):
        tune(package, None, "cpu", 1, measure=costing(alike), engine="openvino")


def test_openvino_is_tried_where_it_is_installed(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openvino")
    monkeypatch.setattr("zoo.predictors.choice.find_spec", lambda name: name)
    record_parity(package, **{"openvino-fp32": True})
    seen: list[tuple[Setting, ...]] = []

    def measure(settings: Sequence[Setting], batches: Sequence[int]) -> list[Seconds]:
        seen.append(tuple(settings))
        return [dict.fromkeys(batches, 0.5 if EXECUTIONS[one].engine == "openvino" else 1.0) for one, _ in settings]

    serving = tune(package, None, "cpu", 2, measure=measure).serving
    assert seen[0] == (Setting("fp32", Runtime()), Setting("openvino-fp32", Runtime()))
    assert (serving.execution, serving.openvino) == ("openvino-fp32", version("openvino"))
    # ONNX Runtime's own options are not tried.
    assert all(setting.runtime.spin and setting.runtime.arena for settings in seen for setting in settings)
    assert tune(package, None, "cpu", 2, measure=measure, engine="onnxruntime").serving.execution == "fp32"


def test_a_damaged_file_of_before_is_replaced(package: Package) -> None:
    (package.path / SERVING_FILE).write_text("{")
    found = tune(package, None, "cpu", 1, measure=costing(alike))
    write(found.serving, package)
    assert Serving.read(package) == found.serving


def test_a_precision_that_is_not_there(package: Package) -> None:
    with pytest.raises(
        PackageError, match=r"has no ONNX file in fp16; create one with `zoo export .* --precision fp16`, which needs"
    ):
        tune(package, "fp16", "cpu", measure=costing(alike))


def test_another_precision_that_is_damaged_is_found_out_before_anything_is_measured(package: Package) -> None:
    (package.path / ONNX_FILES["int8"]).write_bytes(b"not ONNX")
    seen: list[tuple[Setting, ...]] = []
    with pytest.raises(PackageError, match=r"cannot open .*model\.int8\.onnx"):
        tune(package, "fp32", "cpu", measure=costing(alike, seen))
    assert not seen


def test_on_cuda_only_the_precision_there_is_chosen(package: Package, fake_cuda: FakeCuda) -> None:
    copy_as(package, "fp16")
    before = Serving("int8", 9, 9, onnx_sha256="a file", runtime=Runtime(1, 0))
    before.write(package)
    seen: list[tuple[Setting, ...]] = []
    found = tune(package, None, "cuda", measure=costing(made_up, seen), threads=8)
    assert seen == [(Setting("fp16", Runtime()), Setting("fp32", Runtime()))]
    assert found.on_cuda
    assert found.batches == (1, MAX_BATCH["cuda"])
    # What was found on the CPU is not lost, nor what was found on CUDA.
    assert found.serving == replace(before, cuda_precision="fp16")
    found = tune(package, "fp32", "auto", measure=costing(made_up), threads=8)
    assert found.serving == replace(before, cuda_precision="fp32")
    write(found.serving, package)
    assert tune(package, None, "cuda", measure=costing(made_up)).execution == "fp32"
    on_cpu = tune(package, "fp32", "cpu", measure=costing(made_up), threads=8).serving
    assert (on_cpu.execution, on_cpu.cuda_precision) == ("fp32", "fp32")


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_the_command(package: Package, run_zoo: RunZoo) -> None:
    command = ("tune", f"local-dir:{package.path}", "--device", "cpu", "--threads", 2, "--batch", 3, "--seconds", 0)
    copy_as(package, "int8")
    ended = run_zoo(*command, "--dry-run")
    assert ended.returncode == 0, ended.stderr
    assert "written: nothing (--dry-run)" in ended.stdout
    assert not (package.path / SERVING_FILE).exists()

    digest = sha256(package.path / ONNX_FILES["int8"])
    record = {"agreement": {"logits": 0.98765}, "total_variation": 0.0123, "onnx_sha256": digest}
    (package.path / PARITY_FILE).write_text(json.dumps({"int8": {"CPUExecutionProvider": record}}))
    ended = run_zoo(*command)
    assert ended.returncode == 0, ended.stderr
    serving = Serving.read(package)
    assert tuple(getattr(serving, name) for name in FIELDS[:-1]) == ("fp32", cores(), 2, sha256(package.onnx()))
    assert serving.trials[0].why.startswith("2 streams, single images: ")
    for trial in serving.trials:
        assert trial.why in ended.stdout
    [int8] = [line for line in ended.stdout.splitlines() if line.startswith("│ int8")]
    assert [cell.strip() for cell in int8.split("│")[-3:-1]] == ["98.77%", "1.2e-02"]
    assert f"chosen: fp32, {serving.runtime.describe(2)}" in ended.stdout
    assert f"written: {package.path / SERVING_FILE}\n" in ended.stdout


@pytest.mark.usefixtures("quick")
def test_the_command_on_cuda(package: Package, run_zoo: RunZoo, fake_cuda: FakeCuda) -> None:
    ended = run_zoo("tune", f"local-dir:{package.path}", "--device", "cuda", "--batch", 2, "--seconds", 0)
    assert ended.returncode == 0, ended.stderr
    assert "on CUDA" in ended.stdout
    assert "chosen: fp32\n" in ended.stdout
    assert Serving.read(package) == Serving(cuda_precision="fp32")


def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_measured(
    package: Package, run_zoo: RunZoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("zoo.files.TemporaryFile", refuse)
    monkeypatch.setattr("serve.tuning.tune.tune", None)
    ended = run_zoo("tune", f"local-dir:{package.path}")
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"error: cannot write {SERVING_FILE} into {package.path}: Permission denied; ")
    assert "--dry-run" in ended.stderr


def test_a_folder_that_is_full_in_the_end(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("zoo.package.timings.write_json", refuse)
    with pytest.raises(InputError, match=r"cannot write serving\.json into .*: No space left on device"):
        write(Serving(), package)


@pytest.mark.parametrize("arguments", [("--batch", 1), ("--threads", -1), ("--seconds", -1), ("--precision", "fp64")])
def test_values_that_cannot_be(arguments: tuple[object, ...], run_zoo: RunZoo) -> None:
    ended = run_zoo("tune", "wrn16-ours", "--dry-run", *arguments)
    assert ended.returncode == 2
    assert f"Invalid value for '{arguments[0]}'" in ended.stderr


@pytest.mark.process
def test_the_commands_load_nothing_until_they_run() -> None:
    # Not NumPy: the names of models and files that the options' defaults say come from what needs it.
    heavy = "{'onnxruntime', 'fastapi', 'uvicorn', 'rich.table', 'serve.tuning.tune', 'torch'}"
    code = f"import sys, serve.cli; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
