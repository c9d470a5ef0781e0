import pickle
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
from huggingface_hub.utils import validate_repo_id
from PIL import Image
from support.images import coloured, make_rows, write_files, write_split

import zoo
from training.data.data_set import (
    EncodedImages,
    class_counts,
    data_digest,
    data_set_name,
    hold_out,
    open_split,
    open_splits,
    sample,
)
from zoo.errors import DataError
from zoo.images.decode import decode_pixels


class NoFiles:
    """Files that are not to be read."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def read(self, index: int) -> bytes:
        raise AssertionError("read")

    def entry(self, index: int) -> tuple[str, int]:
        return str(index), 0

    def where(self, index: int) -> str:
        return str(index)


def labelled(*labels: int, classes: tuple[str, ...] = ("a", "b", "c")) -> EncodedImages:
    return EncodedImages(NoFiles(len(labels)), torch.tensor(labels), classes)


def places(images: EncodedImages) -> list[int]:
    return [int(images.files.where(index)) for index in range(len(images))]


def test_pixels_are_those_of_the_server(photo: bytes, tmp_path: Path) -> None:
    images = open_splits(write_files(tmp_path, {"a/1.jpg": photo, "b/1.jpg": coloured(1)})).train
    assert len(images) == 2
    assert images.image(0).size == (451, 300)
    np.testing.assert_array_equal(images.pixels(0, 48), decode_pixels(photo, 48).pixels)


@pytest.mark.parametrize("kind", ["folder", "table"])
def test_images_go_to_other_processes(kind: str, tmp_path: Path) -> None:
    data = [coloured(number) for number in range(4)]
    if kind == "folder":
        source = write_files(tmp_path, {f"{'ab'[number // 2]}/{number}": data[number] for number in range(4)})
    else:
        source = write_split(tmp_path, "train", make_rows(data))
    images = pickle.loads(pickle.dumps(open_splits(source).train.select([3, 1])))
    assert [images.files.read(index) for index in range(2)] == [data[3], data[1]]


def test_a_selection_of_a_selection(tmp_path: Path) -> None:
    images = labelled(0, 1, 2, 0, 1, 2)
    chosen = images.select([5, 3, 1]).select(torch.tensor([2, 0]))
    assert places(chosen) == [1, 5]
    assert chosen.labels.tolist() == [1, 2]
    assert chosen.classes == images.classes
    assert len(chosen.files) == 2
    assert places(images.select(range(2))) == [0, 1]
    assert len(images.select([])) == 0


def test_a_image_that_cannot_be_read_is_named(tmp_path: Path, photo: bytes) -> None:
    source = write_files(tmp_path, {"a/1": photo[: len(photo) // 2], "a/2": b"a text", "a/3": b"", "b/1": photo})
    (tmp_path / "b" / "2").symlink_to(tmp_path / "nowhere")
    images = open_splits(source).train
    for index, message in enumerate(["truncated or damaged", "not an image in one of the formats", "empty"]):
        with pytest.raises(DataError, match=f"^{tmp_path}/a/{index + 1}: .*{message}"):
            images.pixels(index, 32)
    with pytest.raises(DataError, match=f"^cannot read {tmp_path}/b/2: No such file or directory; check the path$"):
        images.pixels(4, 32)


def test_splits_keep_their_names(tmp_path: Path) -> None:
    """What is measured on a validation split is not called a test."""
    rows = make_rows([coloured(number) for number in range(4)])
    write_split(tmp_path, "train", rows)
    write_split(tmp_path, "val", rows.select(range(3)))
    splits = open_splits(str(tmp_path))
    assert splits.test is None
    assert splits.validation is not None
    assert len(splits.validation) == len(open_split(str(tmp_path), "val")) == 3
    with pytest.raises(DataError, match=f"{tmp_path} has no test split; it has train, validation"):
        open_split(str(tmp_path), "test")
    write_split(tmp_path, "test", rows.select(range(2)))
    assert len(open_split(str(tmp_path), "test")) == 2
    assert len(open_split(str(tmp_path), "validation")) == 3


def test_a_split_that_is_not_there(cifar: Path) -> None:
    with pytest.raises(DataError, match="cifar10 has no validation split; it has test, train"):
        open_split(str(cifar), "validation")


@pytest.mark.parametrize("source", ["/nowhere/data", "./nowhere", "~/nowhere/data"])
def test_a_folder_that_is_not_there(source: str) -> None:
    with pytest.raises(DataError, match=f"the folder {source} does not exist; give"):
        open_splits(source)


def test_a_table_divides_its_images(tmp_path: Path) -> None:
    names = [f"{number}.png" for number in range(8)]
    write_files(tmp_path, {name: coloured(number) for number, name in enumerate(names)})
    rows = "".join(
        f"{name},{'ab'[number % 2]},{'train' if number < 6 else 'dev'}\n" for number, name in enumerate(names)
    )
    (tmp_path / "labels.csv").write_text(f"file,class,split\n{rows}")
    splits = open_splits(str(tmp_path / "labels.csv"))
    assert splits.train.classes == ("a", "b")
    assert splits.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert splits.train.image(1).getpixel((0, 0)) == Image.open(tmp_path / "2.png").getpixel((0, 0))
    assert splits.validation is not None
    assert splits.validation.labels.tolist() == [0, 1]
    assert splits.test is None


def test_images_of_a_table_are_known_again_where_they_are_moved(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        write_files(tmp_path / folder, {"x/1.png": coloured(1), "y/2.png": coloured(2)})
        (tmp_path / folder / "metadata.csv").write_text("file_name,label\nx/1.png,a\ny/2.png,b\n")
    one, two = (data_digest(open_split(str(tmp_path / folder), "train")) for folder in ("one", "two"))
    assert one == two
    (tmp_path / "two" / "metadata.csv").write_text("file_name,label\nx/1.png,b\ny/2.png,a\n")
    assert data_digest(open_split(str(tmp_path / "two"), "train")) != one


def test_a_file_is_no_source(tmp_path: Path) -> None:
    (tmp_path / "data.zip").write_bytes(b"")
    with pytest.raises(DataError, match=r"data\.zip is a file; give a folder"):
        open_splits(str(tmp_path / "data.zip"))


def test_a_split_is_known_again_by_its_digest(tmp_path: Path) -> None:
    def digest(name: str, files: dict[str, bytes]) -> str:
        return data_digest(open_splits(write_files(tmp_path / name, files)).train)

    files = {f"{label}/{number}.png": coloured(number) for label in "ab" for number in range(3)}
    first = digest("first", files)
    assert digest("moved", files) == first
    assert digest("larger", files | {"b/9.png": coloured(9)}) != first
    assert digest("other", files | {"a/0.png": coloured(9)}) != first
    assert digest("class renamed", {name.replace("b/", "c/"): data for name, data in files.items()}) != first


@pytest.mark.parametrize("parted", ["", "train/"])
def test_every_file_of_a_folder_counts_in_the_digest(parted: str, tmp_path: Path) -> None:
    """Not only those that are read: among more files than `DIGESTED` one changes that is not."""

    def digest(root: Path) -> str:
        return data_digest(open_splits(str(root)).train)

    data = coloured(1)
    write_files(tmp_path / "data", {f"{parted}{label}/é{number}.png": data for label in "ab" for number in range(40)})
    root = (tmp_path / "data").rename(tmp_path / "moved")
    first, file = digest(root), root / parted / "a" / "é5.png"
    file.write_bytes(data + b"longer")
    assert digest(root) != first
    file.write_bytes(data)
    assert digest(root) == first
    file.rename(file.with_name("e\u03015.png"))  # as a Mac may have it
    assert digest(root) == first
    file.with_name("e\u03015.png").rename(file.with_name("é5 (copy).png"))
    assert digest(root) != first
    file.with_name("é5 (copy).png").unlink()
    file.symlink_to("nowhere")
    assert digest(root) != first


def test_every_row_of_a_table_counts_in_the_digest(tmp_path: Path) -> None:
    def digest(name: str, images: list[bytes | None], names: list[str]) -> str:
        (tmp_path / name).mkdir()
        files = zip(images, names, strict=True)
        column = [image and {"bytes": image, "path": name} for image, name in files]
        rows = make_rows(images, image=(datasets.Image(), column))
        return data_digest(open_split(write_split(tmp_path / name, "train", rows), "train"))

    images: list[bytes | None] = [coloured(1)] * 80
    names = [f"{number}.png" for number in range(80)]
    first = digest("first", images, names)
    assert digest("moved", images, names) == first
    assert digest("larger", [*images[:3], coloured(1) + b"longer", *images[4:]], names) != first
    assert digest("missing", [*images[:3], None, *images[4:]], names) != first
    assert digest("renamed", images, [*names[:3], "other.png", *names[4:]]) != first


def test_a_seed_chooses_the_sample() -> None:
    images = labelled(*range(100), classes=tuple(map(str, range(100))))
    first, again, other = (sample(images, 10, seed).labels.tolist() for seed in (0, 0, 1))
    assert first == again == sorted(first)
    assert first != other


def test_a_tenth_of_each_class_is_held_out() -> None:
    labels = [0] * 100 + [1] * 20 + [2] * 5
    images = labelled(*labels)
    kept, held = hold_out(images)
    assert class_counts(held) == {"a": 10, "b": 2, "c": 1}
    assert class_counts(kept) == {"a": 90, "b": 18, "c": 4}
    assert sorted(places(kept) + places(held)) == list(range(125))
    assert places(held) == sorted(places(held))
    assert [labels[place] for place in places(held)] == held.labels.tolist()
    assert places(held)[:10] != list(range(10))
    assert places(hold_out(images)[1]) == places(held)


def test_small_classes_keep_a_image_to_train_on() -> None:
    kept, held = hold_out(labelled(0, 1, 1, 2, 2, 2), share=0.9)
    assert class_counts(kept) == {"a": 1, "b": 1, "c": 1}
    assert class_counts(held) == {"a": 0, "b": 1, "c": 2}


def test_an_unused_class_is_no_hindrance() -> None:
    kept, held = hold_out(labelled(0, 0, 2, 2))
    assert class_counts(kept) == class_counts(held) == {"a": 1, "b": 0, "c": 1}


def test_nothing_can_be_held_out_of_single_images() -> None:
    with pytest.raises(DataError, match="no class has two images"):
        hold_out(labelled(0, 1, 2))


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5])
def test_a_share_is_between_0_and_1(share: float) -> None:
    with pytest.raises(ValueError, match=f"share = {share}"):
        hold_out(labelled(0, 0, 1, 1), share)


@pytest.mark.parametrize("source", ["cifar10", "uoft-cs/cifar10", "/data/cifar10", "/data/cifar10/", "./cifar10"])
def test_a_data_set_has_one_short_name(source: str) -> None:
    assert data_set_name(source) == "cifar10"


@pytest.mark.parametrize("source", ["pets/labels.csv", "pets/metadata.jsonl", "pets.csv", "x/pets.TSV"])
def test_a_table_has_a_name(source: str) -> None:
    assert data_set_name(source) == "pets"


@pytest.mark.parametrize("source", [".", "./", "../images", "../images/cats/.."])
def test_a_relative_folder_has_a_name(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "images").mkdir()
    monkeypatch.chdir(tmp_path / "images")
    assert data_set_name(source) == "images"


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("fotos-é", "fotos-e"),
        ("a--b", "a-b"),
        ("a...b", "a.b"),
        ("my.images.", "my.images"),
        ("-my images (2)-", "my-images-2"),
        ("Straße", "Stra-e"),
        ("写真", "data"),
        ("images.git", "images"),
        (".git", "data"),
        ("x" * 300, "x" * 83),
        ("x" * 82 + ".y", "x" * 82),
    ],
)
def test_the_hub_takes_the_name(folder: str, name: str) -> None:
    assert data_set_name(f"/data/{folder}") == name
    longest = max(zoo.list_models(), key=len)
    validate_repo_id(f"acme/{longest}.{name}")
