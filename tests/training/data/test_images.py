import io
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
import torch
from PIL import Image
from support.images import coloured, encode, make_rows, write_files, write_split
from support.transparent import TRANSPARENT

from training.data.images import LabelledImages
from training.data.prepare import load_split
from zoo.errors import DataError
from zoo.images.decode import decode_pixels

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def test_the_shipped_images_are_those_that_pillow_decodes(images: LabelledImages, cifar: Path) -> None:
    rows = pyarrow.parquet.read_table(cifar / "train-00000-of-00001.parquet").to_pylist()
    assert images.images.shape == (256, 3, 32, 32)
    assert images.images.dtype == torch.uint8
    assert images.labels.tolist() == [row["label"] for row in rows]
    assert images.labels.dtype == torch.int64
    assert images.classes == CLASSES
    assert images.size == 32
    for index in (0, 1, 100, 255):
        image = np.asarray(Image.open(io.BytesIO(rows[index]["img"]["bytes"])))
        np.testing.assert_array_equal(images.images[index].permute(1, 2, 0), image)


def test_the_digest_of_the_shipped_images_stays(images: LabelledImages) -> None:
    """Runs that were saved know their data by it."""
    assert images.digest() == "1126b1020cc5b891"


def test_splits_differ(images: LabelledImages, cifar: Path) -> None:
    test = load_split(str(cifar), "test")
    assert len(test.labels) == 256
    assert test.classes == images.classes
    assert not torch.equal(test.images, images.images)


@pytest.mark.parametrize(("limit", "count"), [(1, 1), (100, 100), (1000, 256), (None, 256)])
def test_a_limit_keeps_some_rows_in_their_order(
    limit: int | None, count: int, images: LabelledImages, cifar: Path
) -> None:
    limited = load_split(str(cifar), "train", limit=limit)
    found = (limited.images.flatten(1)[:, None] == images.images.flatten(1)[None]).all(2).nonzero()[:, 1]
    assert len(found) == count
    assert found.tolist() == sorted(set(found.tolist()))
    assert torch.equal(limited.labels, images.labels[found])


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_keeps_at_least_one_row(limit: int, cifar: Path) -> None:
    with pytest.raises(ValueError, match=f"limit = {limit}"):
        load_split(str(cifar), "train", limit=limit)


def test_images_of_another_size_are_scaled_as_in_the_server(tmp_path: Path, photo: bytes) -> None:
    loaded = load_split(write_split(tmp_path, "train", make_rows([photo] * 2)), "train", size=40)
    expected = decode_pixels(photo, 40).pixels
    np.testing.assert_array_equal(loaded.images[1], expected)


@pytest.mark.parametrize("kind", ["turned", "transparent", "16-bit", "palette", "grey", "CMYK"])
def test_unusual_images_are_read_as_in_the_server(kind: str, tmp_path: Path) -> None:
    """Else a network would be trained on other pixels than it is asked about."""
    ramp = Image.linear_gradient("L").resize((32, 32))
    if kind == "turned":
        settings = Image.Exif()
        settings[0x0112] = 6
        image = encode(ramp.convert("RGB"), exif=settings)
    elif kind == "transparent":
        layer = Image.new("RGBA", (32, 32), (200, 0, 0, 0))
        layer.putalpha(ramp)
        image = encode(layer)
    elif kind == "16-bit":
        image = encode(Image.fromarray(np.asarray(ramp).astype(np.uint16) * 257))
    elif kind == "palette":
        image = encode(ramp.convert("P"), transparency=7)
    elif kind == "grey":
        image = encode(ramp, "JPEG")
    else:
        image = encode(ramp.convert("CMYK"), "JPEG")
    loaded = load_split(write_files(tmp_path, {"a/1": image, "b/1": image}), "train")
    np.testing.assert_array_equal(loaded.images[0], decode_pixels(image, 32).pixels)


def test_transparency_lies_over_white_in_every_mode_and_depth(tmp_path: Path) -> None:
    files = [file.data for file in TRANSPARENT.values()]
    loaded = load_split(write_split(tmp_path, "train", make_rows(files)), "train")
    np.testing.assert_array_equal(loaded.images, np.stack([file.pixels for file in TRANSPARENT.values()]))


def test_normalization_is_the_mean_and_deviation_of_each_channel(images: LabelledImages) -> None:
    many = LabelledImages(images.images.repeat(5, 1, 1, 1), images.labels.repeat(5), images.classes)
    scaled = images.images.numpy().astype(np.float64) / 255
    normalization = many.normalization()
    np.testing.assert_allclose(normalization.mean, scaled.mean(axis=(0, 2, 3)), atol=5.1e-5)
    np.testing.assert_allclose(normalization.std, scaled.std(axis=(0, 2, 3)), atol=5.1e-5)


@pytest.mark.parametrize("world", [1, 2, 3])
def test_parts_have_every_image_once(world: int, images: LabelledImages) -> None:
    parts = [list(images.batches(slice(rank, None, world))) for rank in range(world)]
    for rank, part in enumerate(parts):
        assert all(len(labels) <= 100 for _, labels in part)
        np.testing.assert_array_equal(np.concatenate([pixels for pixels, _ in part]), images.images[rank::world])
        np.testing.assert_array_equal(np.concatenate([labels for _, labels in part]), images.labels[rank::world])


def test_unreadable_images_are_all_named(tmp_path: Path) -> None:
    folder = write_split(tmp_path / "data", "train", make_rows([coloured(0), b"text", None, coloured(1), b""]))
    with pytest.raises(DataError, match="3 of 5 images cannot be read; repair") as error:
        load_split(folder, "train")
    lines = str(error.value).splitlines()[1:]
    assert [line.split(": ")[0].strip() for line in lines] == [f"{folder}, train row {row}" for row in (1, 2, 4)]
    assert "not an image in one of the formats" in lines[0]
    assert lines[1].endswith("it is null")
