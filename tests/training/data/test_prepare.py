from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support.images import coloured, encode, make_rows, write_files, write_split

from training.data import prepare as module
from training.data.data_set import EncodedImages, open_splits
from training.data.images import LabelledImages
from training.data.prepare import choose_input_size, load_split, prepare
from training.data.stream import StreamedImages
from zoo.errors import DataError


def of_size(tmp_path: Path, *sides: tuple[int, int]) -> EncodedImages:
    """Noise of these widths and heights, one class after the other."""
    noise = np.random.default_rng(0)
    files = {
        f"{'ab'[number % 2]}/{number}": encode(Image.fromarray(noise.integers(0, 255, (height, width, 3), np.uint8)))
        for number, (width, height) in enumerate(sides)
    }
    return open_splits(write_files(tmp_path, files)).train


@pytest.mark.parametrize(
    ("sides", "size", "reason"),
    [
        ([(32, 32)] * 3, 32, "of 3 images is 32 pixels; the patch grid is 8 x 8"),
        ([(20, 90)] * 3, 32, "is 20 pixels (limits: 32 to 96); the patch grid is 8 x 8"),
        ([(84, 84), (90, 87), (30, 400)], 84, "is 84 pixels; the patch grid is 21 x 21"),
        ([(120, 91)] * 3, 88, "is 91 pixels; the patch grid is 22 x 22"),
        ([(150, 120), (400, 300), (40, 40)], 96, "is 120 pixels (limits: 32 to 96); the patch grid is 24 x 24"),
    ],
)
def test_the_input_size_is_the_median_short_side(
    sides: list[tuple[int, int]], size: int, reason: str, tmp_path: Path
) -> None:
    chosen, why = choose_input_size(of_size(tmp_path, *sides))
    assert chosen == size
    assert reason in why


def test_of_many_images_a_sample_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SAMPLE", 3)
    images = of_size(tmp_path, *[(40, 40)] * 7)
    assert choose_input_size(images) == (
        40,
        "the median short side of 3 of 7 images is 40 pixels; the patch grid is 10 x 10",
    )


def test_unreadable_images_have_no_say_in_the_input_size(tmp_path: Path) -> None:
    files = {"a/1": b"text", "a/2": b"", "a/3": coloured(1, 40, 40), "b/1": b"text"}
    images = open_splits(write_files(tmp_path, files)).train
    assert choose_input_size(images)[0] == 40
    with pytest.raises(DataError, match=f"^{tmp_path}/a/1: .*not an image"):
        choose_input_size(images.select([0, 1]))


def test_held_images_are_those_that_are_loaded(cifar: Path, images: LabelledImages) -> None:
    done: list[int] = []
    prepared = prepare(open_splits(str(cifar)).train, 32, progress=done.append)
    assert isinstance(prepared.images, LabelledImages)
    assert torch.equal(prepared.images.images, images.images)
    assert torch.equal(prepared.images.labels, images.labels)
    assert prepared.images.digest() == images.digest()
    assert prepared.unreadable == ()
    assert prepared.why.startswith("held in memory, where they take 0.8 MB at 32 x 32 pixels of at most")
    assert done == list(range(1, 257))


def test_images_above_the_memory_are_streamed(cifar: Path, images: LabelledImages) -> None:
    encoded = open_splits(str(cifar)).train
    needed = 256 * 3 * 32 * 32
    assert isinstance(prepare(encoded, 32, memory=needed).images, LabelledImages)
    prepared = prepare(encoded, 32, memory=needed - 1)
    assert isinstance(prepared.images, StreamedImages)
    assert prepared.images.size == 32
    assert prepared.images.digest() == images.digest()
    assert prepared.images.normalization() == images.normalization()
    assert prepared.images.classes == images.classes
    assert torch.equal(prepared.images.labels, images.labels)
    assert prepared.why == (
        "decoded for each step, since they would take 0.8 MB at 32 x 32 pixels, above the limit of 0.8 MB"
    )


@pytest.mark.parametrize(("side", "held"), [(20, True), (48, True), (49, False)])
def test_images_much_larger_than_the_input_are_streamed_for_crops(side: int, held: bool, tmp_path: Path) -> None:
    images = of_size(tmp_path, *[(side, 60)] * 4)
    prepared = prepare(images, 32)
    assert isinstance(prepared.images, LabelledImages if held else StreamedImages)
    measured = prepare(images, 32, crops=False).images
    assert isinstance(measured, LabelledImages)
    assert measured.digest() == prepared.images.digest()
    if not held:
        assert prepared.why == (
            "decoded for each step, since crops of them show more: their median short side, 49 pixels, is above "
            "1.5 times the input size"
        )


@pytest.fixture
def messy(tmp_path: Path, photo: bytes) -> EncodedImages:
    """Photographs of three unequal classes, and what lies among them."""
    files = {f"cat/{number}.jpg": photo for number in range(3)}
    files |= {
        "cat/half.jpg": photo[:9000],
        "cat/list": b"list",
        "cat/notes.txt": b"",
        "cat/.hidden": b"x",
        "dog/1.jpg": photo,
    }
    files |= {"dog/0.png": b"", "ship/1.jpg": photo, "empty/": b""}
    return open_splits(write_files(tmp_path, files)).train


@pytest.mark.parametrize("crops", [True, False])
def test_unreadable_images_are_left_out(messy: EncodedImages, crops: bool, photo: bytes) -> None:
    prepared = prepare(messy, 32, crops=crops)
    assert isinstance(prepared.images, StreamedImages if crops else LabelledImages)
    assert prepared.images.classes == ("cat", "dog", "ship")
    assert prepared.images.labels.tolist() == [0, 0, 0, 1, 2]
    assert [Path(entry.split(": ")[0]).name for entry in prepared.unreadable] == ["half.jpg", "list", "0.png"]
    ((pixels, labels),) = prepared.images.batches()
    assert labels.tolist() == [0, 0, 0, 1, 2]
    assert len({image.tobytes() for image in pixels}) == 1
    whole = messy.select([0, 1, 2, 6, 7])
    assert prepared.images.digest() == prepare(whole, 32).images.digest()


def test_a_class_without_readable_images_stops(tmp_path: Path) -> None:
    files = {"a/1": coloured(1), "b/1": b"text", "b/2": b"", "c/1": coloured(2)}
    images = open_splits(write_files(tmp_path, files)).train
    with pytest.raises(DataError, match=r"2 of 4 images cannot be read; .*none is left of b, or remove the class"):
        prepare(images, 32)


def test_a_class_without_readable_images_can_be_measured(tmp_path: Path) -> None:
    """It is trained elsewhere; of no image at all nothing is measured."""
    images = open_splits(write_files(tmp_path, {"a/1": coloured(1), "b/1": b"text", "c/1": coloured(2)})).train
    assert prepare(images, 32, crops=False).images.labels.tolist() == [0, 2]
    with pytest.raises(DataError):
        prepare(images.select([1]), 32, crops=False)


def test_all_unreadable_images_are_named(tmp_path: Path) -> None:
    folder = write_split(tmp_path, "train", make_rows([coloured(0), coloured(1)] + [b"text"] * 23))
    assert len(prepare(open_splits(folder).train, 32).unreadable) == 23


def test_a_split_that_is_loaded_is_held_however_large_its_images(tmp_path: Path) -> None:
    images = of_size(tmp_path, (300, 200), (200, 300))
    loaded = load_split(str(tmp_path), "train", 32)
    assert loaded.digest() == prepare(images, 32).images.digest()
