from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from support.images import coloured, write_files

RunZoo = Callable[..., CompletedProcess[str]]


def test_how_a_folder_is_read(tmp_path: Path, run_zoo: RunZoo) -> None:
    images = {f"train/{name}/{index}.png": coloured(index) for name in ("cat", "dog") for index in range(3)}
    write_files(tmp_path, images | {"test/cat/9.png": coloured(9), "test/dog/8.png": coloured(8)})
    ended = run_zoo("data", tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "2 classes" in ended.stdout
    rows = {line.split("│")[1].strip(): line.split("│")[2:-1] for line in ended.stdout.splitlines() if "│" in line}
    assert set(rows) == {"cat", "dog", "all"}
    assert sorted(int(cell) for cell in rows["all"]) == [2, 6]


def test_named_data_sets(tmp_path: Path, run_zoo: RunZoo, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("cifar100", "pets"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("ZOO_DATA", str(tmp_path))
    ended = run_zoo("data")
    assert ended.returncode == 0, ended.stderr
    assert "timm/mini-imagenet" in ended.stdout
    assert ended.stdout.count("$ZOO_DATA") == 2
    assert "pets" in ended.stdout


def test_a_folder_without_images(tmp_path: Path, run_zoo: RunZoo) -> None:
    ended = run_zoo("data", tmp_path)
    assert ended.returncode == 1
    assert str(tmp_path) in ended.stderr
