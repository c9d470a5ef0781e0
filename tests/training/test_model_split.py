import re
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.pictures import coloured, encode, write_files

from training.model_split import ModelData
from training.pictures import data_digest, open_split
from zoo.errors import DataError, InputError
from zoo.package import METRICS_FILE, Package, write_json

RunZoo = Callable[..., CompletedProcess[str]]
CLASSES = ("cat", "dog")


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A folder of 40 images of two classes, without splits."""
    noise = np.random.default_rng(0)
    files = {
        f"{name}/{number}.png": encode(Image.fromarray(noise.integers(low, low + 150, (32, 32, 3), np.uint8)))
        for name, low in (("cat", 0), ("dog", 100))
        for number in range(20)
    }
    return Path(write_files(tmp_path / "photos", files))


@pytest.fixture
def trained(make_package: Callable[..., Package], plain: Path) -> Callable[..., Package]:
    """`trained(**changes)`: a model directory that says how it was trained on the plain folder."""

    def make(**changes: Any) -> Package:
        package = make_package("wrn16", classes=CLASSES, data="photos")
        training = {"data": "photos", "images": 36, "recipe": {}, "minutes": 1, "machine": {"device": "CPU"}}
        training |= {"torch": "2", "weights_sha256": package.config.weights_sha256, "held_out": 0.1}
        training |= {"data_digest": data_digest(open_split(str(plain), "train"))}
        write_json(package.path / METRICS_FILE, {"training": training | changes})
        return package

    return make


def images_of(data: ModelData, split: str) -> set[bytes]:
    return {image.numpy().tobytes() for image in data.load(split).images.images}


def test_held_out_images_are_the_default_where_there_is_no_test_split(
    trained: Callable[..., Package], plain: Path
) -> None:
    data = ModelData(trained(), str(plain))
    assert data.choose() == "held-out"
    assert data.choose("train") == "train"
    held, kept = images_of(data, "held-out"), images_of(data, "train")
    assert (len(held), len(kept)) == (4, 36)
    assert not held & kept


def test_a_limited_run_was_trained_on_fewer_images(trained: Callable[..., Package], plain: Path) -> None:
    data = ModelData(trained(limit=10), str(plain))
    assert len(images_of(data, "train")) == 10
    assert images_of(data, "train") <= images_of(ModelData(trained_without_limit(data), str(plain)), "train")


def trained_without_limit(data: ModelData) -> Package:
    metrics = data.package.metrics()
    write_json(data.package.path / METRICS_FILE, metrics | {"training": metrics["training"] | {"limit": None}})
    return Package.open(data.package.path)


def test_a_moved_folder_is_known_again(trained: Callable[..., Package], plain: Path) -> None:
    package, moved = trained(), plain.rename(plain.with_name("elsewhere"))
    assert ModelData(package, str(moved)).choose() == "held-out"


def test_images_of_a_changed_folder_are_not_called_held_out(trained: Callable[..., Package], plain: Path) -> None:
    """With one more image others would be held out."""
    package = trained()
    (plain / "cat" / "new.png").write_bytes(coloured(1))
    data = ModelData(package, str(plain))
    reason = f"{plain} is not what wrn16.photos was trained on, or was changed since"
    with pytest.raises(DataError, match=f"has no test or validation split, and {reason}; .* --split train"):
        data.choose()
    with pytest.raises(DataError, match=f"there are no held-out images, since {reason}"):
        data.load("held-out")
    images, notes = data.load("train")
    assert notes == (f"{reason}: all of its 41 train images are measured",)
    assert len(images.labels) == 41


def test_where_nothing_was_held_out(trained: Callable[..., Package], plain: Path) -> None:
    data = ModelData(trained(held_out=0.0), str(plain))
    with pytest.raises(
        DataError, match=r"no image of .*photos was held out of the training \(zoo train --hold-out 0.1\)"
    ):
        data.load("held-out")
    assert len(data.load("train").images.labels) == 40


def test_a_model_that_does_not_say_how_it_was_trained(make_package: Callable[..., Package], plain: Path) -> None:
    data = ModelData(make_package("wrn16", classes=CLASSES, data="photos"), str(plain))
    assert data.load("train").notes == (
        "nothing says which images wrn16.photos was trained on: all of its 40 train images are measured",
    )


def test_a_test_split_comes_first_and_then_what_was_held_out(
    trained: Callable[..., Package], plain: Path, tmp_path: Path
) -> None:
    package, root = trained(), tmp_path / "parted"
    shutil.copytree(plain, root / "train")
    shutil.copytree(plain / "cat", root / "val" / "cat")
    assert ModelData(package, str(root)).choose() == "held-out"
    shutil.copytree(plain / "dog", root / "test" / "dog")
    data = ModelData(package, str(root))
    assert data.choose() == "test"
    assert data.choose(prefer_held_out=True) == "held-out"
    other = ModelData(trained_on_other(package), str(root))
    assert other.choose(prefer_held_out=True) == "test"


def trained_on_other(package: Package) -> Package:
    training = package.metrics()["training"] | {"data_digest": "0" * 16}
    write_json(package.path / METRICS_FILE, {"training": training})
    return Package.open(package.path)


def test_held_out_images_that_training_could_not_read_either(trained: Callable[..., Package], plain: Path) -> None:
    for file in (plain / "cat").iterdir():
        file.write_bytes(b"damaged")
    data = ModelData(trained(), str(plain))
    images, notes = data.load("held-out")
    assert images.labels.tolist() == [1, 1]
    assert re.search(r"2 unreadable held-out images are left out; the first: .*/cat/\d+\.png: ", notes[0])
    with pytest.raises(DataError, match="18 of 36 pictures cannot be read"):
        data.load("train")


def test_other_classes_are_refused(make_package: Callable[..., Package], plain: Path) -> None:
    with pytest.raises(InputError, match=r"has other classes than wrn16\.photos: cat, dog"):
        ModelData(make_package("wrn16", data="photos"), str(plain))


@pytest.mark.parametrize("limit", [(), ("--limit", 24)])
def test_a_plain_folder_is_measured_again_to_the_digit(
    limit: tuple[object, ...], run_zoo: RunZoo, plain: Path, tmp_path: Path
) -> None:
    arguments = ("--recipe", "smoke", "--batch-size", 8, "--device", "cpu", "--run-folder", tmp_path / "run", *limit)
    ended = run_zoo("train", "wrn16-ours", "--data", plain, *arguments)
    assert ended.returncode == 0, ended.stderr
    folder = tmp_path / "run" / "model"
    recorded = Package.open(folder).metrics()["held-out"]["torch"]
    figures = f"{recorded['accuracy']:.2f}% of 4 held-out images"
    assert figures in ended.stdout
    again = run_zoo("eval", f"local-dir:{folder}", "--data", plain, "--record")
    assert again.returncode == 0, again.stderr
    assert figures in again.stdout
    assert f"(patches {recorded['patch_accuracy']:.2f}%, loss {recorded['loss']:.4f})" in again.stdout
    assert Package.open(folder).metrics()["held-out"]["torch"] == recorded
    trained = run_zoo("eval", f"local-dir:{folder}", "--data", plain, "--split", "train")
    assert f"of {24 if limit else 36} train images of photos" in trained.stdout
