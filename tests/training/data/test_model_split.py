import re
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from support.images import coloured
from support.plain_folder import CLASSES, say_trained_on, write_plain_folder

from training.data.model_split import ModelData
from zoo.errors import DataError, InputError
from zoo.package import Package

pytestmark = pytest.mark.slow

RunZoo = Callable[..., CompletedProcess[str]]


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A folder of 40 images of two classes, without splits."""
    return write_plain_folder(tmp_path / "photos")


@pytest.fixture
def trained(make_package: Callable[..., Package], plain: Path) -> Callable[..., Package]:
    """`trained(**changes)`: a model directory that says how it was trained on the plain folder."""
    package = make_package("wrn16", classes=CLASSES, data="photos")
    return lambda **changes: say_trained_on(package, plain, **changes)


def images_of(data: ModelData, split: str) -> set[bytes]:
    return {image.numpy().tobytes() for image in data.load(split).images}


def test_held_out_images_are_the_default_where_there_is_no_test_split(
    trained: Callable[..., Package], plain: Path
) -> None:
    data = ModelData(trained(), str(plain))
    assert data.choose() == "held-out"
    assert data.choose("training") == "train"
    held, kept = images_of(data, "held-out"), images_of(data, "train")
    assert images_of(data, "training") == kept
    assert (len(held), len(kept)) == (4, 36)
    assert not held & kept


def test_a_limited_run_was_trained_on_fewer_images(trained: Callable[..., Package], plain: Path) -> None:
    few = images_of(ModelData(trained(limit=10), str(plain)), "train")
    assert len(few) == 10
    assert few < images_of(ModelData(trained(), str(plain)), "train")


def test_a_moved_folder_is_known_again(trained: Callable[..., Package], plain: Path) -> None:
    package, moved = trained(), plain.rename(plain.with_name("elsewhere"))
    assert ModelData(package, str(moved)).choose() == "held-out"


def test_images_of_a_changed_folder_are_not_called_held_out(trained: Callable[..., Package], plain: Path) -> None:
    """With one more image others would be held out."""
    package = trained()
    (plain / "cat" / "new.png").write_bytes(coloured(1))
    data = ModelData(package, str(plain))
    reason = f"{plain} is not the data set that wrn16.photos was trained on, or has changed since"
    with pytest.raises(DataError, match=f"has no test or validation split, and {reason}; .* --split train"):
        data.choose()
    with pytest.raises(DataError, match=f"no held-out images, since {reason}"):
        data.load("held-out")
    assert len(data.load("train").labels) == 41
    assert data.notes == [f"{reason}: using all 41 images of its train split"]


def test_where_nothing_was_held_out(trained: Callable[..., Package], plain: Path) -> None:
    data = ModelData(trained(held_out=0.0), str(plain))
    with pytest.raises(DataError, match=r"training held out no images of .*photos \(zoo train --hold-out 0.1\)"):
        data.load("held-out")
    assert len(data.load("train").labels) == 40


def test_a_model_that_does_not_say_how_it_was_trained(make_package: Callable[..., Package], plain: Path) -> None:
    data = ModelData(make_package("wrn16", classes=CLASSES, data="photos"), str(plain))
    data.load("train")
    assert data.notes == ["wrn16.photos has no record of its training images: using all 40 images of its train split"]


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
    other = ModelData(trained(data_digest="0" * 16), str(root))
    assert other.choose(prefer_held_out=True) == "test"


def test_images_that_training_could_not_read_either(trained: Callable[..., Package], plain: Path) -> None:
    for file in (plain / "cat").iterdir():
        file.write_bytes(b"damaged")
    data = ModelData(trained(), str(plain))
    assert data.load("held-out").labels.tolist() == [1, 1]
    assert re.search(r"skipping 2 unreadable held-out images; the first: .*/cat/\d+\.png: ", data.notes[0])
    assert data.load("train").labels.tolist() == [1] * 18
    assert data.notes[1].startswith("skipping 18 unreadable train images")
    with pytest.raises(DataError, match="20 of 40 images cannot be read"):
        ModelData(trained(data_digest="0" * 16), str(plain)).load("train")


def test_other_classes_are_refused(make_package: Callable[..., Package], plain: Path) -> None:
    with pytest.raises(InputError, match=r"\(cat, dog\) are not those of wrn16\.photos"):
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
    assert f"(patches {recorded['patch_accuracy']:.2f}%, loss {recorded['loss']:.4f}, calibration" in again.stdout
    measured = Package.open(folder).metrics()["held-out"]["torch"]
    assert len(measured.pop("calibration_error")) == 3
    assert measured == recorded
    trained = run_zoo("eval", f"local-dir:{folder}", "--data", plain, "--split", "train")
    assert f"of {24 if limit else 36} train images of photos" in trained.stdout
