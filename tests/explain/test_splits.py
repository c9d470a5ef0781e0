"""Each command that explains a model measures the images that were held out, where there is no test split."""

import re
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from support.plain_folder import CLASSES, HELD_OUT, say_trained_on, write_plain_folder

from training.data.images import LabelledImages
from zoo.package import Package

RunZoo = Callable[..., CompletedProcess[str]]


class ReadError(Exception):
    """Ends a command when it has read its images."""


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    return write_plain_folder(tmp_path / "photos")


@pytest.fixture
def model(make_package: Callable[..., Package], plain: Path) -> str:
    return f"local-dir:{say_trained_on(make_package(classes=CLASSES, data='photos'), plain).path}"


@pytest.mark.parametrize(
    ("command", "reader"),
    [
        ("semantics", "explain.semantics.study.collect"),
        ("faithfulness", "explain.faithfulness.measure.measure_faithfulness"),
        ("probe", "explain.probe.measure.probe_block"),
    ],
)
def test_held_out_images_by_default(
    command: str, reader: str, run_zoo: RunZoo, model: str, plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    read: list[int] = []

    def note(*arguments: object, **options: object) -> None:
        read.extend(len(given.labels) for given in arguments if isinstance(given, LabelledImages))
        raise ReadError

    monkeypatch.setattr(reader, note)
    with pytest.raises(ReadError):
        run_zoo(command, model, "--data", plain)
    # What is found on the training images, all but those held out, is measured on the others.
    assert read == [36 if command == "semantics" else HELD_OUT]


@pytest.mark.parametrize("command", ["semantics", "faithfulness"])
@pytest.mark.parametrize("name", ["train", "training"])
def test_training_images_are_refused(
    command: str, name: str, run_zoo: RunZoo, model: str, plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    ended = run_zoo(command, model, "--data", plain, "--split", name)
    assert ended.returncode == 1
    assert re.search(r"--split train: .*; choose another", ended.stderr)
    assert sorted(tmp_path.iterdir()) == before
