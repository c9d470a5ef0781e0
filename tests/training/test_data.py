import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow.parquet
import pytest
import torch
from PIL import Image

from training.data import DataError, LabelledImages, data_set_name, load_split
from zoo.decode import decode
from zoo.preprocess import to_pixels

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def encode(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture
def make_data(tmp_path: Path) -> Callable[..., str]:
    """Write a data set of encoded pictures, and labels 0, 1, 0, 1, ..; its folder."""

    def make(pictures: list[bytes | None], names: tuple[str, ...] = ("no", "yes"), **columns: Any) -> str:
        features = {"image": datasets.Image(), "label": datasets.ClassLabel(names=list(names))}
        rows = {
            "image": [picture and {"bytes": picture, "path": None} for picture in pictures],
            "label": [index % 2 for index in range(len(pictures))],
        }
        for name, (feature, values) in columns.items():
            features[name], rows[name] = feature, values
        table = datasets.Dataset.from_dict(rows, features=datasets.Features(features))
        table.to_parquet(tmp_path / "data" / "train-00000-of-00001.parquet")
        return str(tmp_path / "data")

    return make


def test_the_shipped_images_are_those_that_pillow_decodes(images: LabelledImages, cifar: Path) -> None:
    rows = pyarrow.parquet.read_table(cifar / "train-00000-of-00001.parquet").to_pylist()
    assert images.images.shape == (256, 3, 32, 32)
    assert images.images.dtype == torch.uint8
    assert images.labels.tolist() == [row["label"] for row in rows]
    assert images.labels.dtype == torch.int64
    assert images.classes == CLASSES
    for index in (0, 1, 100, 255):
        picture = np.asarray(Image.open(io.BytesIO(rows[index]["img"]["bytes"])))
        np.testing.assert_array_equal(images.images[index].permute(1, 2, 0), picture)


def test_splits_differ(images: LabelledImages, cifar: Path) -> None:
    test = load_split(str(cifar), "test")
    assert len(test.labels) == 256
    assert test.classes == images.classes
    assert not torch.equal(test.images, images.images)


@pytest.mark.parametrize(("limit", "count"), [(1, 1), (100, 100), (1000, 256), (None, 256)])
def test_a_limit_keeps_the_first_rows(limit: int | None, count: int, images: LabelledImages, cifar: Path) -> None:
    limited = load_split(str(cifar), "train", limit=limit)
    assert torch.equal(limited.images, images.images[:count])
    assert torch.equal(limited.labels, images.labels[:count])


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_keeps_at_least_one_row(limit: int, cifar: Path) -> None:
    with pytest.raises(ValueError, match=f"limit = {limit}"):
        load_split(str(cifar), "train", limit=limit)


def test_images_of_another_size_are_scaled_as_in_the_server(make_data: Callable[..., str], photo: bytes) -> None:
    loaded = load_split(make_data([photo] * 2), "train", size=40)
    expected, _ = to_pixels(decode(photo), 40)
    np.testing.assert_array_equal(loaded.images[1], expected)


@pytest.mark.parametrize("kind", ["turned", "transparent", "16-bit"])
def test_unusual_pictures_are_read_as_in_the_server(kind: str, make_data: Callable[..., str]) -> None:
    """Else a network would be trained on other pixels than it is asked about."""
    ramp = Image.linear_gradient("L").resize((32, 32))
    if kind == "turned":
        settings = Image.Exif()
        settings[0x0112] = 6
        picture = encode(ramp.convert("RGB"), exif=settings)
    elif kind == "transparent":
        layer = Image.new("RGBA", (32, 32), (200, 0, 0, 0))
        layer.putalpha(ramp)
        picture = encode(layer)
    else:
        picture = encode(Image.fromarray(np.asarray(ramp).astype(np.uint16) * 257))
    loaded = load_split(make_data([picture] * 2), "train")
    np.testing.assert_array_equal(loaded.images[0], to_pixels(decode(picture), 32)[0])


def test_normalization_is_the_mean_and_deviation_of_each_channel(images: LabelledImages) -> None:
    scaled = images.images.numpy().astype(np.float64) / 255
    normalization = images.normalization()
    np.testing.assert_allclose(normalization.mean, scaled.mean(axis=(0, 2, 3)), atol=5.1e-5)
    np.testing.assert_allclose(normalization.std, scaled.std(axis=(0, 2, 3)), atol=5.1e-5)


def test_of_two_label_columns_the_finer_one_counts(make_data: Callable[..., str]) -> None:
    fine = datasets.ClassLabel(names=["cat", "dog", "ship"])
    folder = make_data([encode(Image.new("RGB", (32, 32)))] * 3, fine_label=(fine, [2, 0, 1]))
    loaded = load_split(folder, "train")
    assert loaded.classes == ("cat", "dog", "ship")
    assert loaded.labels.tolist() == [2, 0, 1]


def test_a_folder_that_is_not_there() -> None:
    with pytest.raises(DataError, match=r"cannot load the train split of '/nowhere/data'.*Give a folder of Parquet"):
        load_split("/nowhere/data", "train")


def test_a_data_set_that_cannot_be_fetched() -> None:
    with pytest.raises(DataError, match="cannot load the train split of 'cifar100'"):
        load_split("cifar100", "train")


def test_a_split_that_is_not_there(cifar: Path) -> None:
    with pytest.raises(DataError, match=r"cifar10 has no validation-\*\.parquet file"):
        load_split(str(cifar), "validation")


def test_a_file_that_is_not_parquet(tmp_path: Path) -> None:
    (tmp_path / "train-00000-of-00001.parquet").write_bytes(b"not Parquet")
    with pytest.raises(DataError, match="cannot load the train split"):
        load_split(str(tmp_path), "train")


@pytest.mark.parametrize("kind", ["Image", "ClassLabel"])
def test_a_data_set_without_images_or_labels(kind: str, tmp_path: Path, photo: bytes) -> None:
    columns = {
        "image": (datasets.Image(), [{"bytes": photo, "path": None}]),
        "label": (datasets.ClassLabel(names=["cat", "dog"]), [0]),
        "text": (datasets.Value("string"), ["a cat"]),
    }
    del columns["image" if kind == "Image" else "label"]
    features = datasets.Features({name: feature for name, (feature, _) in columns.items()})
    rows = {name: values for name, (_, values) in columns.items()}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(tmp_path / "train-00000-of-00001.parquet")
    with pytest.raises(DataError, match=f"has no {kind} column; its columns are .*text"):
        load_split(str(tmp_path), "train")


def broken_png() -> bytes:
    """A PNG file with a damaged checksum in its pixels."""
    data = bytearray(encode(Image.radial_gradient("L")))
    data[-20] ^= 255
    return bytes(data)


@pytest.mark.parametrize("picture", [b"not a picture", b"", broken_png(), None], ids=["text", "empty", "png", "null"])
def test_a_picture_that_cannot_be_decoded_is_named(picture: bytes | None, make_data: Callable[..., str]) -> None:
    good = encode(Image.new("RGB", (32, 32)))
    with pytest.raises(DataError, match=r"data, train row 2 is not a readable picture"):
        load_split(make_data([good, good, picture, good]), "train")


@pytest.mark.parametrize("source", ["cifar10", "uoft-cs/cifar10", "/data/cifar10", "/data/cifar10/", "./cifar10"])
def test_a_data_set_has_one_short_name(source: str) -> None:
    assert data_set_name(source) == "cifar10"
