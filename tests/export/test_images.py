import shutil
import sys

import numpy as np
import pytest
from PIL import Image
from support.transparent import SIDE, TRANSPARENT

from export.images import read_folder_pixels
from zoo.errors import DataError, ImageError, InputError, MissingDependencyError
from zoo.images.decode import decode_pixels


def test_images_of_a_folder_in_the_order_of_their_paths(tmp_path, photo_file):
    (tmp_path / "b").mkdir()
    shutil.copy(photo_file, tmp_path / "b" / "cat.JPG")
    Image.new("RGB", (40, 50), "red").save(tmp_path / "a.png")
    (tmp_path / "notes.txt").write_text("not an image")
    pixels = read_folder_pixels(tmp_path, 32, 10)
    assert pixels.dtype == np.uint8
    assert pixels.shape == (2, 3, 32, 32)
    assert (pixels[0] == np.array([255, 0, 0])[:, None, None]).all()
    assert (pixels[1] == decode_pixels(photo_file.read_bytes(), 32).pixels).all()


def test_transparency_lies_over_white_in_every_mode_and_depth(tmp_path):
    for index, file in enumerate(TRANSPARENT.values()):
        (tmp_path / f"{index:02}.png").write_bytes(file.data)  # its content says what it is
    expected = np.stack([file.pixels for file in TRANSPARENT.values()])
    np.testing.assert_array_equal(read_folder_pixels(tmp_path, SIDE, len(expected)), expected)


def test_images_of_parquet_files(cifar):
    pixels = read_folder_pixels(cifar, 32, 300)
    assert pixels.shape[1:] == (3, 32, 32)
    assert 256 < len(pixels) <= 300
    assert len(np.unique(pixels.reshape(len(pixels), -1), axis=0)) > 250


def test_the_limit_is_kept(cifar):
    assert len(read_folder_pixels(cifar, 40, 3)) == 3


def test_few_images_are_of_all_classes(tmp_path):
    for shade, name in enumerate("abcd"):
        (tmp_path / name).mkdir()
        for index in range(5):
            Image.new("RGB", (32, 32), (shade, index, 0)).save(tmp_path / name / f"{index}.png")
    assert read_folder_pixels(tmp_path, 32, 4)[:, 0, 0, 0].tolist() == [0, 1, 2, 3]
    assert read_folder_pixels(tmp_path, 32, 8)[:, 0, 0, 0].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert len(read_folder_pixels(tmp_path, 32, 21)) == 20


def test_rows_are_chosen_from_all_files(cifar):
    everything, few = read_folder_pixels(cifar, 32, 512), read_folder_pixels(cifar, 32, 8)
    assert len(everything) == 512
    assert (few == everything[::64]).all()


def test_training_images_only(cifar, tmp_path):
    everything = read_folder_pixels(cifar, 32, 512)
    assert (read_folder_pixels(cifar, 32, 512, training=True) == everything[256:]).all()

    for split in ("test", "train"):
        (tmp_path / split / "a").mkdir(parents=True)
        Image.new("RGB", (32, 32), "red" if split == "test" else "blue").save(tmp_path / split / "a" / "1.png")
    assert read_folder_pixels(tmp_path, 32, 9, training=True)[:, 0, 0, 0].tolist() == [0]
    assert len(read_folder_pixels(tmp_path / "test", 32, 9, training=True)) == 1  # no split is named below it
    shutil.move(tmp_path / "train" / "a", tmp_path / "Training data" / "a")
    (tmp_path / "train").rmdir()
    assert read_folder_pixels(tmp_path, 32, 9, training=True)[:, 0, 0, 0].tolist() == [0]


@pytest.mark.parametrize("name", ["train-00000-of-00001.parquet", "data/train/0000.parquet", "Train.parquet"])
def test_training_tables_by_the_name_of_file_or_folder(name, cifar, tmp_path):
    for source, place in (("train-*.parquet", name), ("test-*.parquet", "other/test/0000.parquet")):
        [file] = cifar.glob(source)
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, tmp_path / place)
    expected = read_folder_pixels(cifar, 32, 512, training=True)
    assert (read_folder_pixels(tmp_path, 32, 512, training=True) == expected).all()


@pytest.mark.parametrize("kind", ["folder", "table"])
def test_a_test_split_calibrates_nothing(kind, cifar, tmp_path):
    if kind == "table":
        shutil.copy(next(cifar.glob("test-*.parquet")), tmp_path)
    else:
        for name in ("test/a", "test/b"):
            (tmp_path / name).mkdir(parents=True)
            Image.new("RGB", (32, 32)).save(tmp_path / name / "1.png")
    with pytest.raises(InputError, match="has no training split, only test"):
        read_folder_pixels(tmp_path, 32, 9, training=True)


def test_splits_that_may_be_classes_stop_a_calibration(tmp_path):
    for name in ("train", "val", "bus"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (32, 32)).save(tmp_path / name / "1.png")
    with pytest.raises(DataError, match="train, val are named like splits"):
        read_folder_pixels(tmp_path, 32, 9, training=True)
    assert len(read_folder_pixels(tmp_path, 32, 9)) == 3


def test_the_images_of_a_folder_are_those_of_training(tmp_path, photo_file):
    from training.data.data_set import open_split

    left = ["a/.hidden.png", "a/._1.jpg", "__MACOSX/a/1.jpg", "a/@eaDir/1.jpg", "a/notes.txt", ".cache/x-0.parquet"]
    kept = ["a/1.jpg", "a/2.JFIF", "a/deep/3", "b/1.webp"]
    for name in left + kept:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(photo_file, tmp_path / name)
    assert len(read_folder_pixels(tmp_path, 32, 99)) == len(open_split(str(tmp_path), "train")) == len(kept)


@pytest.mark.parametrize("table", ["labels.csv", ""])
def test_images_of_a_table(table, tmp_path, photo_file):
    for name in ("1.jpg", "2.jpg", "3.jpg", "unlisted.jpg"):
        shutil.copy(photo_file, tmp_path / name)
    text = "file_name,label,split\n1.jpg,a,train\n2.jpg,b,train\n3.jpg,a,test\n"
    (tmp_path / (table or "metadata.csv")).write_text(text)
    assert len(read_folder_pixels(tmp_path / table, 32, 99)) == 3
    assert len(read_folder_pixels(tmp_path / table, 32, 99, training=True)) == 2
    (tmp_path / (table or "metadata.csv")).write_text(text.replace("train", "validation"))
    with pytest.raises(InputError, match="has no training split, only validation, test"):
        read_folder_pixels(tmp_path / table, 32, 99, training=True)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="nowhere is neither a folder nor a table"):
        read_folder_pixels(tmp_path / "nowhere", 32, 1)


def test_a_folder_without_images(tmp_path):
    with pytest.raises(InputError, match="has neither images"):
        read_folder_pixels(tmp_path, 32, 1)


def test_a_damaged_image_is_named(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"broken\.png: the file is not an image"):
        read_folder_pixels(tmp_path, 32, 1)


def test_a_damaged_parquet_file_is_named(tmp_path):
    (tmp_path / "broken.parquet").write_bytes(b"no table")
    with pytest.raises(InputError, match=r"broken\.parquet is not a readable Parquet file"):
        read_folder_pixels(tmp_path, 32, 1)


def test_a_parquet_file_without_images(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    arrow = pytest.importorskip("pyarrow")
    parquet.write_table(arrow.table({"label": [1]}), tmp_path / "labels.parquet")
    with pytest.raises(InputError, match=r"no image column .* only \['label'\]"):
        read_folder_pixels(tmp_path, 32, 1)
    parquet.write_table(arrow.table({"image": [{"bytes": None, "path": "a.png"}]}), tmp_path / "labels.parquet")
    with pytest.raises(InputError, match="row 0 has no image"):
        read_folder_pixels(tmp_path, 32, 1)


def test_parquet_files_need_pyarrow(monkeypatch, cifar):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingDependencyError, match=r"template-zoo\[export\]"):
        read_folder_pixels(cifar, 32, 1)
