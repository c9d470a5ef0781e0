import json
import re
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from PIL import Image

from training.data.prepare import load_split

pytestmark = pytest.mark.slow

RunZoo = Callable[..., CompletedProcess[str]]
MODEL = ("-m", "wrn16-ours")


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("similar") / "index"


@pytest.fixture(scope="module")
def image(cifar: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The seventh test image."""
    file = tmp_path_factory.mktemp("image") / "seventh.png"
    pixels = load_split(str(cifar), "test").images[7]
    Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(file)
    return file


@pytest.fixture
def ask(run_zoo: RunZoo, image: Path, cifar: Path, index: Path, tmp_path: Path) -> RunZoo:
    """`zoo similar` for a patch of the seventh test image; the index is made once."""

    def ask(*arguments: object, patch: str = "3,5", data: object = cifar) -> CompletedProcess[str]:
        out = ("-o", tmp_path / "out.png")
        return run_zoo("similar", image, "--patch", patch, *MODEL, "--index", index, "--data", data, *out, *arguments)

    return ask


def test_a_patch_of_the_data_set_is_found(ask: RunZoo, tmp_path: Path) -> None:
    ended = ask("--json", "-n", 5)
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    first, *others = found["matches"]
    assert (first["image"], first["row"], first["column"]) == (7, 3, 5)
    assert first["distance"] < 0.03
    assert len(others) == 4
    distances = [match["distance"] for match in found["matches"]]
    assert distances == sorted(distances)
    with Image.open(tmp_path / "out.png") as drawn:
        assert drawn.width > 500


def test_an_index_is_used_again_without_the_data(
    ask: RunZoo, run_zoo: RunZoo, image: Path, index: Path, tmp_path: Path
) -> None:
    assert ask().returncode == 0
    before = (index / "shares.npy").stat().st_mtime_ns
    ended = run_zoo("similar", image, "--patch", "0,0", *MODEL, "--index", index, "-o", tmp_path / "out.png")
    assert ended.returncode == 0, ended.stderr
    assert "256 images of cifar10 searched" in ended.stdout
    assert (index / "shares.npy").stat().st_mtime_ns == before


def test_a_stale_index_is_refused(ask: RunZoo, run_zoo: RunZoo, image: Path, cifar: Path, index: Path) -> None:
    assert ask().returncode == 0
    other_model = run_zoo("similar", image, "--patch", "0,0", "-m", "rn26-ours", "--index", index)
    assert other_model.returncode == 1
    assert "is stale: it was created from other weights" in other_model.stderr
    other_images = ask("--split", "train")
    assert other_images.returncode == 1
    assert "is stale: it was created from other images" in other_images.stderr


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        ("8,0", "--patch 8,0: outside the grid of 8 rows and 8 columns"),
        ("1;2", "--patch 1;2: must be ROW,COLUMN"),
        ("-1,2", "--patch -1,2: must be ROW,COLUMN"),
    ],
)
def test_patches_that_are_not_there(patch: str, message: str, ask: RunZoo) -> None:
    ended = ask(patch=patch)
    assert ended.returncode == 1
    assert message in ended.stderr


def test_what_is_missing_is_named(run_zoo: RunZoo, image: Path, tmp_path: Path) -> None:
    for arguments, message in (
        ((*MODEL, "--index", tmp_path / "none"), "no patch index in .*none; .*--data"),
        (("-m", "wrn16"), "wrn16 has no semantic block"),
        ((*MODEL, "-o", "similar.jpg"), "must end in .png"),
    ):
        ended = run_zoo("similar", image, "--patch", "0,0", *arguments)
        assert ended.returncode == 1
        assert re.search(message, ended.stderr), ended.stderr
    ended = run_zoo("similar", tmp_path / "missing.png", "--patch", "0,0", *MODEL)
    assert ended.returncode == 1
    assert "missing.png: No such file" in ended.stderr
