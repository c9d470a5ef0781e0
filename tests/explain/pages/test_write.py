import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from PIL import Image

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
    missing, damaged = tmp_path / "missing.jpg", tmp_path / "damaged.jpg"
    damaged.write_bytes(images[0].read_bytes()[:2000])
    out = tmp_path / "out"
    done = run_zoo("explain", missing, images[0], damaged, tmp_path, images[1], "-m", "wrn16-ours", "-o", out)
    assert done.returncode == 1
    assert "missing.jpg: No such file or directory" in done.stderr
    assert "damaged.jpg: the image is truncated or damaged" in done.stderr
    assert "is a folder; pass its images" in done.stderr
    names = sorted(path.name for path in out.iterdir())
    [hostile] = [name for name in names if name.startswith("script") and name.endswith(".html")]
    assert names == sorted(["cat.html", "cat.png", "index.html", hostile, hostile.replace(".html", ".png")])
    assert all(re.fullmatch(r"[\w-]+\.(html|png)", name) for name in names)

    for name in ("cat.html", hostile, "index.html"):
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

    cat = (out / "cat.html").read_text()
    assert "<span>none</span>" in cat
    for said in ("Contributions to the logit", "Occlusion", "Grad-CAM of the same network", "wrn16.cifar10",
                 "The last map, none", "The strongest patches"):  # fmt: skip
        assert said in cat
    with Image.open(out / "cat.png") as sheet:
        assert sheet.width == 1180
        assert sheet.height > 2000


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
    files = ["a/cat.jpg", "b/cat.png", "CAT.webp", "index.png", "../..", "日本.jpg", "x" * 300 + ".jpg", "\udcff.png"]
    names = page_names(map(Path, files))
    assert names[:6] == ["cat", "cat-2", "CAT-3", "index-2", "image", "日本"]
    assert len(names[6]) == 80
    assert len({name.casefold() for name in names}) == len(files)
