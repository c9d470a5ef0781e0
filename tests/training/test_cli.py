import csv
import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import httpx2
import pytest
from support.images import coloured, write_files

import zoo
from serve.client.predictor import ServerPredictor
from training.checkpoint import LOG_FILE
from training.cli import next_commands
from zoo.files import sha256
from zoo.hub import DEFAULT_MODEL, open_model
from zoo.package import CARD_FILE, METRICS_FILE, Package
from zoo.package.metrics import read_metrics

pytestmark = pytest.mark.slow

RunZoo = Callable[..., CompletedProcess[str]]

SHORT = ("--epochs", 2, "--growth", 0.5, "--growth", 1, "--batch-size", 32, "--peak-learning-rate", 0.02)


def fails(ended: CompletedProcess[str], message: str) -> None:
    """The program ended with one line that says why."""
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: ")
    assert ended.stderr.count("\n") == 1
    assert re.search(message, ended.stderr), ended.stderr


@pytest.fixture
def copied(tmp_path: Path) -> Package:
    """A copy of the shipped model."""
    package = open_model(DEFAULT_MODEL)
    shutil.copytree(package.path, tmp_path / "model")
    return Package.open(tmp_path / "model")


def test_train_writes_a_model_directory(
    run_zoo: RunZoo, cifar: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = run_zoo("train", "wrn16-ours", "--data", cifar, *SHORT, "--limit", 128, "--device", "cpu")
    assert ended.returncode == 0, ended.stderr
    assert "computing on cpu: as requested" in ended.stdout
    folder = tmp_path / "runs" / "wrn16-ours.cifar10" / "model"
    package = Package.open(folder)
    metrics = package.metrics()
    assert f"{metrics['test']['torch']['accuracy']:.2f}% of 256 test images" in ended.stdout
    assert metrics["test"]["torch"]["images"] == 256
    assert metrics["training"]["images"] == 128
    assert [entry["input_size"] for entry in metrics["training"]["history"]] == [16, 32]
    assert "was not measured" not in (folder / CARD_FILE).read_text()
    network = zoo.load(f"local-dir:{folder}")
    assert network.config.name == "wrn16-ours.cifar10"
    assert network.config.input_size == 32


def test_train_and_eval_on_a_table(run_zoo: RunZoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_files(tmp_path / "pets", {f"{number}.png": coloured(number) for number in range(40)})
    rows = "".join(f"{number}.png,{'cat' if number % 2 else 'dog'}\n" for number in range(40))
    (tmp_path / "pets" / "labels.csv").write_text(f"path,label\n{rows}")
    ended = run_zoo("train", "wrn16", "--data", "pets/labels.csv", *SHORT, "--device", "cpu", "--batch-size", 8)
    assert ended.returncode == 0, ended.stderr
    package = Package.open(tmp_path / "runs" / "wrn16.pets" / "model")
    assert package.config.classes == ("cat", "dog")
    assert package.metrics()["held-out"]["torch"]["images"] == 4
    ended = run_zoo("eval", f"local-dir:{package.path}", "--data", "pets/labels.csv")
    assert ended.returncode == 0, ended.stderr
    assert "of 4 held-out images of" in ended.stdout


def test_train_into_chosen_folders(run_zoo: RunZoo, cifar: Path, tmp_path: Path) -> None:
    run, out = tmp_path / "run", tmp_path / "out"
    arguments = (
        "--data",
        cifar,
        "--recipe",
        "smoke",
        "--batch-size",
        16,
        "--limit",
        16,
        "--run-folder",
        run,
        "--out",
        out,
    )
    assert run_zoo("train", "wrn16", *arguments).returncode == 0
    assert (run / "checkpoint.pt").is_file()
    assert Package.open(out).config.variant == "wrn16"
    fails(
        run_zoo("train", "wrn16", *arguments, "--seed", 5), "belongs to another run .*seed: 0 in the checkpoint, 5 now"
    )


def test_a_run_by_name_that_starts_again(
    run_zoo: RunZoo, cifar: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ("train", "wrn16", "--data", cifar, "--recipe", "smoke", "--batch-size", 16, "--limit", 16)
    arguments = (*arguments, "--hold-out", 0.1, "--name", "my run")
    run = tmp_path / "runs" / "my run"
    ended = run_zoo(*arguments)
    assert ended.returncode == 0, ended.stderr
    assert (run / "report" / "confusion.csv").is_file()
    first = Package.open(run / "model").config
    fails(run_zoo(*arguments, "--seed", 5), "belongs to another run .*seed: 0 in the checkpoint, 5 now.*--restart")
    ended = run_zoo(*arguments, "--seed", 5, "--restart")
    assert ended.returncode == 0, ended.stderr
    assert Package.open(run / "model").config.weights_sha256 != first.weights_sha256
    assert [json.loads(line)["step"] for line in (run / LOG_FILE).read_text().splitlines()] == [1]
    commands = ended.stdout.partition("next:\n")[2].splitlines()
    [exported] = [shlex.split(command)[2:] for command in commands if " export " in command]
    assert run_zoo("info", *exported).returncode == 0


def test_the_next_commands_can_be_parsed(tmp_path: Path) -> None:
    """With names that a shell would take apart."""
    for command in next_commands(tmp_path / "a b'c", "my images; rm x", "held-out"):
        program, verb, *arguments = shlex.split(command)
        assert program == "zoo"
        assert verb in {"classify", "export", "eval", "serve"}
        assert f"local-dir:{tmp_path}/a b'c" in arguments
        assert ("my images; rm x" in arguments) == (verb == "eval")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--name", "a/b"), "--name 'a/b': expected the name of a folder in runs; .* use --run-folder"),
        (("--name", ".."), "--name '..'"),
        (("--name", ""), "--name ''"),
        (("--name", "a", "--run-folder", "b"), "--name a and --run-folder b both"),
        (("--input-size", 5000), "input_size = 5000: must be .* at most 4,096"),
    ],
)
def test_names_and_sizes_that_cannot_be(arguments: tuple[object, ...], message: str, run_zoo: RunZoo) -> None:
    fails(run_zoo("train", "wrn16", *arguments), message)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("wrn61",), "'wrn61'; did you mean wrn16"),
        (("wrn16", "--epochs", 0), "epochs = 0: must be above 0"),
        (("wrn16", "--growth", 1, "--growth", 0.5), "growth = .* ascending"),
        (("wrn16", "--device", "tpu"), "device 'tpu' cannot be used"),
        (("wrn16", "--data", "/nowhere/data"), "the folder /nowhere/data does not exist"),
        (("wrn16", "--recipe", "quick"), "unknown recipe 'quick'; available: fast, finetune, paper, smoke"),
        (("rn38", "--recipe", "finetune"), "model 'rn38.cifar10' is not available"),
        (("wrn16", "--start-from", "wrn16-ours"), "start_from = 'wrn16-ours' is a wrn16-ours; it must be a wrn16"),
    ],
)
def test_train_says_what_is_wrong(
    arguments: tuple[object, ...], message: str, run_zoo: RunZoo, cifar: Path, tmp_path: Path
) -> None:
    data = () if "--data" in arguments else ("--data", cifar)
    fails(run_zoo("train", *arguments, *data, "--run-folder", tmp_path), message)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("through", ["torch", "onnx"])
def test_eval_prints_the_accuracy(through: str, run_zoo: RunZoo, cifar: Path) -> None:
    ended = run_zoo("eval", DEFAULT_MODEL, "--data", cifar, "--through", through, "--limit", 64)
    assert ended.returncode == 0, ended.stderr
    found = re.search(
        rf"{DEFAULT_MODEL} through {through}: ([\d.]+)% of 64 test images of cifar10 \(patches [\d.]+%, loss [\d.]+, "
        r"calibration error [\d.]+ points \[[\d.]+, [\d.]+\]\)",
        ended.stdout,
    )
    assert found is not None, ended.stdout
    assert float(found[1]) > 80


def test_eval_reports_what_was_confused(run_zoo: RunZoo, cifar: Path, tmp_path: Path) -> None:
    ended = run_zoo("eval", DEFAULT_MODEL, "--data", cifar, "--through", "onnx", "--report", tmp_path / "report")
    assert ended.returncode == 0, ended.stderr
    assert "lowest accuracy: " in ended.stdout
    with (tmp_path / "report" / "classes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert sum(int(row["images"]) for row in rows) == 256
    right = sum(int(row["right"]) for row in rows)
    assert f": {right / 256:.2%} of 256" in ended.stdout
    with (tmp_path / "report" / "mistakes.csv").open(newline="") as file:
        mistakes = list(csv.DictReader(file))
    assert len(mistakes) == 256 - right
    assert f"{cifar}, test row " in mistakes[0]["image"]


def test_eval_refuses_a_report_that_cannot_be_written(run_zoo: RunZoo, cifar: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    fails(
        run_zoo("eval", DEFAULT_MODEL, "--data", cifar, "--report", tmp_path / "file"), "cannot write into .*--report"
    )


def test_eval_of_the_training_images(run_zoo: RunZoo, cifar: Path) -> None:
    ended = run_zoo("eval", DEFAULT_MODEL, "--data", cifar, "--split", "train", "--through", "onnx", "--limit", 9)
    assert "of 9 train images" in ended.stdout


def test_eval_records_a_whole_split(run_zoo: RunZoo, cifar: Path, copied: Package) -> None:
    ended = run_zoo("eval", f"local-dir:{copied.path}", "--data", cifar, "--through", "onnx", "--record")
    assert ended.returncode == 0, ended.stderr
    assert copied.metrics()["test"]["onnx"]["images"] == 256
    assert copied.metrics()["test"]["onnx"]["class_accuracy"].keys() == set(copied.config.classes)
    assert read_metrics(copied).scores["test"]["onnx"].calibration_error is not None
    assert copied.metrics()["test"]["onnx"]["onnx_sha256"] == sha256(copied.path / "model.onnx")
    assert re.search(r"\| ONNX Runtime, fp32 \| .* \| 256 \|", (copied.path / CARD_FILE).read_text())


def test_eval_records_no_part_of_a_split(run_zoo: RunZoo, cifar: Path, copied: Package) -> None:
    before = (copied.path / METRICS_FILE).read_bytes()
    ended = run_zoo("eval", f"local-dir:{copied.path}", "--data", cifar, "--record", "--limit", 64)
    fails(ended, "--record needs a whole split of cifar10")
    assert (copied.path / METRICS_FILE).read_bytes() == before


def test_eval_records_no_answers_of_other_weights(
    run_zoo: RunZoo, cifar: Path, copied: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server may hold another model of the same name."""
    server = ServerPredictor(httpx2.Client(), copied.config.name, copied.config.classes, "0" * 64)
    monkeypatch.setattr(ServerPredictor, "open", lambda url, model: server)
    arguments = ("--data", cifar, "--through", "http://localhost:8000", "--record")
    fails(run_zoo("eval", f"local-dir:{copied.path}", *arguments), "serves other weights than .*model")


def test_eval_records_no_other_data_set(run_zoo: RunZoo, cifar: Path, copied: Package, tmp_path: Path) -> None:
    shutil.copytree(cifar, tmp_path / "other")
    ended = run_zoo("eval", f"local-dir:{copied.path}", "--data", tmp_path / "other", "--record")
    fails(ended, "--record needs a whole split of cifar10, the model's own data set")


def test_eval_of_other_classes(run_zoo: RunZoo, cifar: Path, make_package: Callable[..., Package]) -> None:
    package = make_package("wrn16", classes=("cat", "dog"))
    fails(run_zoo("eval", f"local-dir:{package.path}", "--data", cifar), r"not those of wrn16\.cifar10")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--through", "magic"), "through = 'magic'"),
        (("--split", "validation"), "has no validation split; it has test, train"),
        (("--through", "http://127.0.0.1:1"), "that the server is running"),
    ],
)
def test_eval_says_what_is_wrong(arguments: tuple[object, ...], message: str, run_zoo: RunZoo, cifar: Path) -> None:
    fails(run_zoo("eval", DEFAULT_MODEL, "--data", cifar, *arguments), message)


def test_eval_of_a_model_without_an_onnx_file(
    run_zoo: RunZoo, cifar: Path, make_package: Callable[..., Package]
) -> None:
    package = make_package("wrn16")
    fails(run_zoo("eval", f"local-dir:{package.path}", "--data", cifar, "--through", "onnx"), "has no ONNX file")
