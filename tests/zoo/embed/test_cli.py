import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from support.closeness import assert_alike
from support.commands import fails
from support.images import coloured, write_files

import zoo
from zoo.classify.decoding import BATCH
from zoo.hub import DEFAULT_MODEL

RunZoo = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def folder(tmp_path: Path, photo: bytes) -> Path:
    """More images than a batch, the last in a folder of its own, and two files among them that are none."""
    files = {f"images/{number:02}.png": coloured(number) for number in range(BATCH + 5)}
    files |= {"images/below/cat.jpg": photo, "images/10x.png": b"text", "images/20x.jpg": photo[:5000]}
    write_files(tmp_path, files)
    return tmp_path / "images"


def lines(file: Path) -> list[str]:
    return file.read_text().splitlines()


def test_an_array_with_the_paths_of_its_rows(run_zoo: RunZoo, folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "vectors.npy"
    ended = run_zoo("embed", folder, "-o", output)
    vectors, paths = np.load(output), lines(tmp_path / "vectors.paths.txt")
    assert vectors.dtype == np.float32
    assert vectors.shape == (BATCH + 6, 128)
    expected = [*(f"{folder}/{number:02}.png" for number in range(BATCH + 5)), f"{folder}/below/cat.jpg"]
    assert sorted(paths) == sorted(expected)
    network = zoo.load(DEFAULT_MODEL)
    assert_alike([vectors], [network.embed(paths).detach().numpy()])
    # Those that cannot be read are listed at the end.
    assert ended.returncode == 1
    first, *bad = [line for line in ended.stderr.splitlines() if not line.startswith("computing")]
    assert first == f"error: 2 of {BATCH + 8} images cannot be read:"
    assert [line.split(":")[0].strip() for line in bad] == [f"{folder}/10x.png", f"{folder}/20x.jpg"]


def test_a_table_in_parquet(run_zoo: RunZoo, folder: Path, tmp_path: Path) -> None:
    run_zoo("embed", folder / "00.png", folder / "below", "-o", tmp_path / "vectors.parquet")
    table = pyarrow.parquet.read_table(tmp_path / "vectors.parquet")
    paths = [f"{folder}/00.png", f"{folder}/below/cat.jpg"]
    assert table["path"].to_pylist() == paths
    vectors = np.array(table["embedding"].to_pylist(), np.float32)
    network = zoo.load(DEFAULT_MODEL)
    assert_alike([vectors], [network.embed(paths).detach().numpy()])
    assert table.schema.metadata[b"model.name"].decode() == DEFAULT_MODEL
    assert table.schema.metadata[b"model.weights_sha256"].decode() == network.config.weights_sha256


@pytest.mark.parametrize("name", ["vectors.npy", "vectors.parquet"])
def test_stopping_at_the_first_unreadable_image_writes_nothing(
    name: str, run_zoo: RunZoo, folder: Path, tmp_path: Path
) -> None:
    before = {file: file.write_bytes(b"old") for file in (tmp_path / name, tmp_path / "vectors.paths.txt")}
    ended = run_zoo("embed", folder, "-o", tmp_path / name, "--unreadable", "stop")
    fails(ended, "10x.png")
    assert "--unreadable skip" in ended.stderr
    assert all(file.read_bytes() == b"old" for file in before)
    assert {file.name for file in tmp_path.iterdir()} == {"images", name, "vectors.paths.txt"}


def test_an_empty_folder(run_zoo: RunZoo, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    fails(run_zoo("embed", tmp_path / "empty", "-o", tmp_path / "vectors.npy"), "the folder has no images")
    assert [file.name for file in tmp_path.iterdir()] == ["empty"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["images", "-o", "vectors.csv"], "must end in .npy or .parquet"),
        (["-o", "vectors.npy"], "give images, or --from-file"),
        (["images", "-o", "none/vectors.npy"], "cannot write none/vectors.npy"),
        (["images/00.png", "vectors.paths.txt", "-o", "vectors.npy"], "vectors.paths.txt: it is an input file"),
        (["images", "-o", "vectors.npy", "-m", "wrn17"], "unknown variant"),
    ],
)
def test_what_cannot_be_done_is_refused(
    arguments: list[str],
    message: str,
    run_zoo: RunZoo,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("vectors.paths.txt").write_text("an input")
    ended = run_zoo("embed", *arguments)
    assert ended.returncode != 0
    assert message in " ".join(ended.stderr.split())
    assert {file.name for file in tmp_path.iterdir()} == {"images", "vectors.paths.txt"}


def test_parquet_without_pyarrow_names_the_extra(
    run_zoo: RunZoo, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    ended = run_zoo("embed", folder / "00.png", "-o", tmp_path / "v.parquet")
    fails(ended, r"needs pyarrow: pip install 'template-zoo\[parquet\]'")
