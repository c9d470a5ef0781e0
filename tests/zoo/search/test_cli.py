import json
import re
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest
from PIL import Image
from support.commands import fails
from support.images import coloured, encode, write_files
from support.onnx_files import with_embedding

from zoo.classify.decoding import BATCH
from zoo.hub import DEFAULT_MODEL, open_model
from zoo.images.decode import decode_pixels
from zoo.predictors.onnx import OnnxPredictor
from zoo.search.image_index import ImageIndex

RunZoo = Callable[..., CompletedProcess[str]]

NOISE = np.random.default_rng(0)
IMAGES = {
    f"{number:03}.png": encode(Image.fromarray(NOISE.integers(0, 255, (40, 40, 3), np.uint8))) for number in range(12)
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model whose ONNX file has an embedding."""
    folder = tmp_path_factory.mktemp("models") / DEFAULT_MODEL
    return f"local-dir:{with_embedding(open_model(DEFAULT_MODEL), folder).path}"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory, photo: bytes) -> Path:
    """Twelve images of noise, and a photograph in a folder of its own."""
    return Path(write_files(tmp_path_factory.mktemp("photos"), IMAGES | {"below/cat.jpg": photo}))


@pytest.fixture
def index(run_zoo: RunZoo, model: str, photos: Path, tmp_path: Path) -> Path:
    ended = run_zoo("index", photos, "-m", model, "-o", tmp_path / "index")
    assert ended.returncode == 0, ended.stderr
    assert f"{tmp_path / 'index'}: 13 images, 128 numbers each, {DEFAULT_MODEL}" in ended.stdout
    return tmp_path / "index"


def test_an_index_has_the_embeddings_of_the_model(index: Path, model: str, photos: Path) -> None:
    opened = ImageIndex.open(index)
    predictor = OnnxPredictor.open(open_model(model), "cpu", threads=1)
    pixels = np.stack([decode_pixels(Path(name).read_bytes(), 32).pixels for name in opened.names])
    expected = predictor(pixels).embedding
    assert expected is not None
    expected = expected / np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(opened.vectors, expected, atol=1e-5)
    assert opened.names[-1] == str(photos / "below/cat.jpg")
    assert opened.small(12).size == (64, 64)
    assert opened.small(0).size == (40, 40)


def test_an_image_is_nearest_to_itself(index: Path, run_zoo: RunZoo, model: str, photos: Path, tmp_path: Path) -> None:
    sheets = ("--html", tmp_path / "page.html", "--png", tmp_path / "sheet.png")
    ended = run_zoo(
        "search", photos / "003.png", photos / "below", "-i", index, "-m", model, "-k", 3, "--json", *sheets
    )
    assert ended.returncode == 0, ended.stderr
    answer = json.loads(ended.stdout)
    assert answer["model"]["name"] == DEFAULT_MODEL
    for result, name in zip(answer["results"], ("003.png", "below/cat.jpg"), strict=True):
        assert result["file"] == str(photos / name)
        cosines = [each["cosine"] for each in result["nearest"]]
        assert result["nearest"][0]["name"] == str(photos / name)
        assert cosines[0] == pytest.approx(1, abs=1e-5)
        assert cosines == sorted(cosines, reverse=True)
        assert len(cosines) == 3
    page = (tmp_path / "page.html").read_text()
    assert page.count("data:image/webp;base64,") == 8
    assert "003.png" in page
    assert "http" not in page
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 600


def test_a_table_and_a_threshold(index: Path, run_zoo: RunZoo, model: str, photos: Path) -> None:
    output = run_zoo("search", photos / "003.png", "-i", index, "-m", model, "--threshold", 0.9999).stdout
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in output.splitlines() if line.startswith("│")]
    assert rows == [[str(photos / "003.png"), str(photos / "003.png"), "1.0000"]]


def test_names_are_shown_as_they_are(run_zoo: RunZoo, model: str, photo: bytes, tmp_path: Path) -> None:
    write_files(tmp_path, {"photos/<b>x & y.jpg": photo})
    run_zoo("index", tmp_path / "photos", "-m", model, "-o", tmp_path / "index")
    run_zoo("search", tmp_path / "photos", "-i", tmp_path / "index", "-m", model, "--html", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "&lt;b&gt;x &amp; y.jpg" in page
    assert "<b>x" not in page


def test_an_unreadable_image_in_the_middle(run_zoo: RunZoo, model: str, tmp_path: Path) -> None:
    files = {f"photos/{number:03}.png": coloured(number) for number in range(2 * BATCH)}
    write_files(tmp_path, files | {"photos/070x.png": b"text", "photos/071x.jpg": b""})
    arguments = ("index", tmp_path / "photos", "-m", model, "-o", tmp_path / "index")
    stopped = run_zoo(*arguments, "--unreadable", "stop")
    assert stopped.returncode == 1
    assert re.search(r"070x\.png: the file is not an image .*; nothing was written: --unreadable skip", stopped.stderr)
    assert not (tmp_path / "index").exists()
    skipped = run_zoo(*arguments)
    assert skipped.returncode == 1
    assert f"{2 * BATCH} images, 128 numbers each" in skipped.stdout
    listed = skipped.stderr[skipped.stderr.index("error: ") :].splitlines()
    assert listed[0] == f"error: 2 of {2 * BATCH + 2} images cannot be read:"
    assert [line.split(":")[0].strip()[-8:] for line in listed[1:]] == ["070x.png", "071x.jpg"]
    assert list(ImageIndex.open(tmp_path / "index").names) == [str(tmp_path / name) for name in files]


def test_a_query_that_cannot_be_read(index: Path, run_zoo: RunZoo, model: str, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_text("text")
    ended = run_zoo("search", tmp_path / "bad.png", photos / "003.png", "-i", index, "-m", model)
    assert ended.returncode == 1
    assert "003.png" in ended.stdout
    assert re.search(r"1 of 2 images cannot be read:\n  .*bad\.png: the file is not an image", ended.stderr)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-k", 14), "-k = 14: must be from 1 to 13, the number of images in the index"),
        (("-k", 0), "-k = 0: must be from 1 to 13"),
        (("--threshold", 1.5), "--threshold = 1.5: must be from -1 to 1, as cosines are"),
        (("--threshold", "nan"), "--threshold = nan: must be from -1 to 1"),
        (("--patch", "0,0"), "is an index of images, not of patches; `zoo index --patches` makes one"),
        (("--patch", "1;2"), "--patch 1;2: must be ROW,COLUMN"),
        (("--html", "page.txt"), "--html page.txt: must end in .html"),
        (("--png", "nowhere/sheet.png"), "cannot write nowhere/sheet.png: there is no folder nowhere; make it"),
        (("-m", "wrn16"), "is an index of another model: of wrn16-ours.cifar10"),
    ],
)
def test_what_cannot_be_searched(
    arguments: tuple[object, ...], message: str, index: Path, run_zoo: RunZoo, model: str, photos: Path
) -> None:
    fails(run_zoo("search", photos / "003.png", "-i", index, "-m", model, *arguments), re.escape(message))


def test_the_model_of_an_index_that_has_no_name_here(
    index: Path, run_zoo: RunZoo, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.hub.local_models", list)
    message = f"made with {re.escape(DEFAULT_MODEL)}, which is not available by its name; .* --model local-dir:PATH"
    fails(run_zoo("search", photos / "003.png", "-i", index), message)


def test_there_is_no_index_or_no_image(run_zoo: RunZoo, model: str, photos: Path, tmp_path: Path) -> None:
    fails(
        run_zoo("search", photos, "-i", tmp_path / "none"), "there is no index in .*none .*; make one with `zoo index`"
    )
    (tmp_path / "empty").mkdir()
    ended = run_zoo("index", tmp_path / "empty", "-m", model, "-o", tmp_path / "index")
    assert ended.returncode == 1
    assert re.search("error: .*empty: the folder has no images", ended.stderr)
    assert not (tmp_path / "index").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("index",), 2, "give images or --data, and not both"),
        (("index", "photos", "--data", "cifar10"), 2, "give images or --data, and not both"),
        (("index", "photos", "--split", "test"), 1, "--split test: images without --data have no splits"),
        (("index", "photos", "--patches", "-m", "wrn16"), 1, "wrn16 has no semantic block"),
        (("duplicates", "photos", "-i", "index"), 1, "--index index has images of its own"),
        (("duplicates", "photos", "--threshold", "1.01"), 1, "--threshold = 1.01: must be from -1 to 1"),
    ],
)
def test_arguments_that_do_not_fit(arguments: tuple[str, ...], code: int, message: str, run_zoo: RunZoo) -> None:
    ended = run_zoo(*arguments)
    assert ended.returncode == code
    assert message in ended.stderr


def test_duplicates_of_a_folder(run_zoo: RunZoo, model: str, photo_file: Path, photo: bytes, tmp_path: Path) -> None:
    bird = photo_file.with_name("bird.png").read_bytes()
    files = {"photos/a.png": bird, "photos/b.jpg": photo, "photos/c.png": coloured(3)}
    with Image.open(Path(write_files(tmp_path, files)) / "photos/b.jpg") as image:
        image.save(tmp_path / "photos/d.jpg", quality=60)
    sheets = ("--html", tmp_path / "page.html", "--png", tmp_path / "sheet.png")
    ended = run_zoo("duplicates", tmp_path / "photos", "-m", model, "--threshold", 0.98, "--json", *sheets)
    assert ended.returncode == 0, ended.stderr
    [group] = json.loads(ended.stdout)["groups"]
    assert [Path(each["name"]).name for each in group] == ["b.jpg", "d.jpg"]
    assert (tmp_path / "page.html").read_text().count("<figure>") == 2
    assert (tmp_path / "sheet.png").stat().st_size > 1000
    run_zoo("index", tmp_path / "photos", "-m", model, "-o", tmp_path / "index")
    again = run_zoo("duplicates", "-i", tmp_path / "index", "--threshold", 0.98, "--json")
    assert json.loads(again.stdout)["groups"] == [group]
    table = run_zoo("duplicates", "-i", tmp_path / "index", "--threshold", 0.98).stdout
    assert "1 group of near-duplicates" in table
    assert "b.jpg" in table


@pytest.mark.slow
def test_a_split_of_a_data_set_with_its_patches(run_zoo: RunZoo, cifar: Path, tmp_path: Path) -> None:
    index = tmp_path / "index"
    ended = run_zoo("index", "--data", cifar, "--patches", "-o", index)
    assert ended.returncode == 0, ended.stderr
    opened = ImageIndex.open(index)
    assert (len(opened), opened.grid, opened.names[7]) == (256, (8, 8), "test/00007")
    assert opened.label(7) in opened.header.classes
    opened.small(7).save(tmp_path / "seventh.png")
    found = run_zoo(
        "search",
        tmp_path / "seventh.png",
        "-i",
        index,
        "--patch",
        "3,5",
        "-k",
        5,
        "--json",
        "--png",
        tmp_path / "p.png",
    )
    answer = json.loads(found.stdout)
    assert answer["patch"] == {"row": 3, "column": 5}
    first, *others = answer["results"][0]["nearest"]
    # The thumbnail is not exactly the image.
    assert first["cosine"] > 0.97
    assert {"name", "label", "row", "column", "cosine"} == set(first)
    assert len({each["name"] for each in others}) == 4
    fails(
        run_zoo("search", tmp_path / "seventh.png", "-i", index, "--patch", "8,0"), "--patch 8,0: outside the grid of 8"
    )
    fails(
        run_zoo("search", tmp_path / "seventh.png", "-i", index), "is an index of patches, not of images; `zoo index`"
    )
