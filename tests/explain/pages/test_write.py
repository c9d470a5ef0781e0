import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import zoo
from explain.attributions import class_activation_map, occlusion
from explain.pages.write import page_names
from zoo.hub import open_model
from zoo.package import WEIGHTS_FILE, Package

Run = Callable[..., CompletedProcess[str]]

HOSTILE = "<script>alert(1)<.script> \"'&\n{{ 7 * 7 }}.png"


@pytest.fixture
def images(tmp_path: Path, photo_file: Path) -> list[Path]:
    """A photograph, and an image smaller than the network's input under a hostile name."""
    small = tmp_path / HOSTILE
    Image.radial_gradient("L").resize((40, 24)).convert("RGB").save(small)
    return [photo_file, small]


class _Addresses(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.found += [value or "" for name, value in attributes if name in ("src", "href")]


def addresses(page: str) -> tuple[list[str], set[str]]:
    parser = _Addresses()
    parser.feed(page)
    return parser.found, parser.tags


@pytest.mark.slow
def test_pages_of_several_images(run_zoo: Run, images: list[Path], tmp_path: Path) -> None:
    missing, damaged, empty = tmp_path / "missing.jpg", tmp_path / "damaged.jpg", tmp_path / "empty"
    empty.mkdir()
    damaged.write_bytes(images[0].read_bytes()[:2000])
    out = tmp_path / "out"
    done = run_zoo("explain", missing, images[0], damaged, empty, images[1], "-m", "wrn16-ours", "-o", out)
    assert done.returncode == 1
    assert "missing.jpg: No such file or directory; check the path" in done.stderr
    assert "damaged.jpg: the image is truncated or damaged" in done.stderr
    assert "empty: the folder has no images (JPEG, PNG, " in done.stderr
    names = sorted(path.name for path in out.iterdir())
    [hostile] = [name for name in names if "script" in name and name.endswith(".html")]
    [own] = [name for name in names if name.endswith("cat.html")]
    assert names == sorted([own, own.replace(".html", ".png"), "index.html", hostile, hostile.replace(".html", ".png")])
    assert all(re.fullmatch(r"[\w-]+\.(html|png)", name) for name in names)

    for name in (own, hostile, "index.html"):
        page = (out / name).read_text()
        found, tags = addresses(page)
        assert found
        assert all(address.startswith("data:image/png;base64,") or (out / address).is_file() for address in found)
        assert "script" not in tags
        assert "url(" not in page
    page = (out / hostile).read_text()
    assert "&lt;script&gt;" in page
    assert "{{ 7 * 7 }}" in page
    index = (out / "index.html").read_text()
    assert "missing.jpg: No such file" in index

    cat = (out / own).read_text()
    assert "<span>none</span>" in cat
    for said in ("Contributions to the logit", "Occlusion", "Grad-CAM of the same network", "wrn16.cifar10",
                 "The last map, none", "The strongest patches"):  # fmt: skip
        assert said in cat
    with Image.open(out / own.replace(".html", ".png")) as sheet:
        assert sheet.width == 1180
        assert sheet.height > 2000


@pytest.mark.slow
def test_a_folder_another_class_and_arrays(run_zoo: Run, photo_file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pets"
    for place in ("cat.jpg", "more/cat.jpg", "out/cat.png"):
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(photo_file, folder / place)
    options = ("--class", "dog", "--maps", "-m", "wrn16-ours", "-o", folder / "out")
    done = run_zoo("explain", folder, *options)
    assert done.returncode == 0, done.stderr
    pages = {path.name for path in (folder / "out").glob("*.html")}
    assert pages == {"cat.html", "more-cat.html", "index.html"}, "images in the folder of the pages are left out"

    def array(name: str) -> Any:
        return np.load(folder / "out" / f"cat.{name}.npy")

    network = zoo.load("wrn16-ours", pretrained=True)
    pixels = network.pixels(photo_file)
    dog = torch.tensor([open_model("wrn16-ours").config.classes.index("dog")])
    assert array("shares").shape == (11, 8, 8)
    np.testing.assert_allclose(array("occlusion"), occlusion(network, pixels, dog)[0], atol=1e-4)
    np.testing.assert_allclose(
        array("contributions"), class_activation_map(network, pixels, dog)[0].detach(), atol=1e-4
    )
    assert array("grad-cam").shape == array("baseline").shape == (8, 8)


def test_an_unknown_class_is_refused(run_zoo: Run, photo_file: Path, tmp_path: Path) -> None:
    done = run_zoo("explain", photo_file, "--class", "dgo", "-o", tmp_path / "out")
    assert done.returncode == 1
    assert "unknown class 'dgo'" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_page_does_not_replace_an_image(run_zoo: Run, tmp_path: Path) -> None:
    image = tmp_path / "cat.png"
    Image.new("RGB", (40, 40)).save(image)
    before = image.read_bytes()
    done = run_zoo("explain", image, "-m", "rn26", "-o", tmp_path)
    assert done.returncode == 1
    assert "cat.png: it is an input file" in done.stderr
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [before]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("rn26-aux", ("no semantic block", "it requires a semantic block")),
        ("wrn16", ("neither a semantic block", "itself is the plain variant")),
    ],
)
def test_without_a_block_the_page_says_what_is_missing(
    run_zoo: Run, images: list[Path], tmp_path: Path, model: str, said: tuple[str, ...]
) -> None:
    done = run_zoo("explain", images[0], "-m", model, "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "out/cat.html").read_text()
    assert all(words in page for words in said)
    assert "The last map, none" not in page
    assert "<span>none</span>" not in page
    assert not (tmp_path / "out/index.html").exists()


@pytest.mark.slow
def test_a_baseline_of_another_size(
    run_zoo: Run, images: list[Path], tmp_path: Path, make_package: Callable[..., Package]
) -> None:
    classes = open_model("wrn16").config.classes
    larger = make_package("wrn16", classes=classes, size=40)
    options = ("-m", "wrn16-ours", "--baseline", f"local-dir:{larger.path}", "-o", tmp_path / "out")
    done = run_zoo("explain", images[0], *options)
    assert done.returncode == 0, done.stderr
    assert "Class activation map of wrn16.cifar10" in (tmp_path / "out/cat.html").read_text()


def test_a_model_without_weights_is_refused(
    run_zoo: Run, images: list[Path], tmp_path: Path, make_package: Callable[..., Package]
) -> None:
    package = make_package()
    (package.path / WEIGHTS_FILE).unlink()
    done = run_zoo("explain", images[0], "-m", f"local-dir:{package.path}", "-o", tmp_path / "out")
    assert done.returncode == 1
    assert f"has no {WEIGHTS_FILE}" in done.stderr


def test_a_folder_that_cannot_be_written_is_named(run_zoo: Run, images: list[Path], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run_zoo("explain", images[0], "-m", "wrn16", "-o", tmp_path / "file")
    assert done.returncode == 1
    assert "cannot write into" in done.stderr


def test_names_of_pages_are_safe_and_each_is_one_pages() -> None:
    files = ["a/cat.jpg", "a-cat.png", "A/CAT.webp", "index.png", "../..", "日本.jpg", "x" * 300 + ".jpg", "\udcff.png"]
    names = page_names(files)
    assert names[:6] == ["a-cat", "a-cat-2", "A-CAT-3", "index-2", "image", "日本"]
    assert len(names[6]) == 80
    assert len({name.casefold() for name in names}) == len(files)
