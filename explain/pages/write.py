"""Pages of several image files, written into a folder."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from explain.html import render
from explain.pages.baseline import Baseline
from explain.pages.explanation import Explanation, explain_image
from explain.pages.image import InputImage, read_image
from explain.pages.sections import build_sections
from explain.pages.sheet import draw_sheet
from zoo.answers import ClassShare
from zoo.errors import ImageError
from zoo.files import png_bytes, refuse_inputs, write_atomically, writing
from zoo.networks.network import Network
from zoo.package import ModelConfig
from zoo.printable import printable

INDEX = "index"
THUMBNAIL = 160
"""Side of the images on the index page, in pixels."""


class IndexEntry(NamedTuple):
    """Entry of the index page."""

    name: str
    """Name of the image file."""
    page: str
    """File name of the image's page."""
    answer: ClassShare
    thumbnail: Image.Image


class WrittenPages(NamedTuple):
    """Written pages, and failures."""

    pages: tuple[Path, ...]
    """Pages in the order of the images, and the index page if there are several images."""
    failures: tuple[str, ...]
    """Error messages of the images without a page."""


def write_pages(
    network: Network,
    config: ModelConfig,
    baseline: Baseline,
    files: list[Path],
    folder: Path,
    progress: Callable[[str], None] = lambda file: None,
) -> WrittenPages:
    """Write a page for each image, as `NAME.html` and `NAME.png`; unreadable images are skipped.

    Raises:
        InputError: the folder is not writable, or a page would overwrite one of the images.
    """
    names = page_names(files)
    for name in names:
        refuse_inputs(folder / f"{name}.png", files)
    entries, failures = [], []
    device = network.device
    with writing(f"into {folder}"):
        folder.mkdir(parents=True, exist_ok=True)
        for file, name in zip(files, names, strict=True):
            progress(printable(file.name))
            try:
                image = read_image(file, config.input_size)
            except ImageError as error:
                failures.append(printable(error))
                continue
            compared = None
            if baseline.network is not None and baseline.network.config is not None:
                other = baseline.network.config
                compared = (other.name, baseline.network, read_image(file, other.input_size).pixels.to(device))
            explanation = explain_image(network, image.pixels.to(device), compared)
            _write_page(folder / name, config.name, image, explanation, baseline.note)
            thumbnail = image.square.resize((THUMBNAIL, THUMBNAIL))
            entries.append(IndexEntry(printable(file.name), f"{name}.html", explanation.answers[0], thumbnail))
        pages = [folder / entry.page for entry in entries]
        if len(files) > 1:
            pages.append(folder / f"{INDEX}.html")
            index = render("index.html", model=config.name, entries=entries, failures=failures)
            write_atomically(pages[-1], index.encode())
    return WrittenPages(tuple(pages), tuple(failures))


def page_names(files: Iterable[Path]) -> list[str]:
    """Unique page names of files, without suffix, consisting of letters, digits, `_` and `-`."""
    taken, names = {INDEX}, []
    for file in files:
        stem = re.sub(r"[^\w-]+", "-", printable(file.stem)).strip("-")[:80] or "image"
        name, number = stem, 2
        while name.casefold() in taken:
            name, number = f"{stem}-{number}", number + 1
        taken.add(name.casefold())
        names.append(name)
    return names


def _write_page(path: Path, model: str, image: InputImage, explanation: Explanation, baseline_note: str) -> None:
    name, answers = printable(image.file.name), explanation.answers
    shown = build_sections(image, explanation, baseline_note)
    numbers = (
        ("Contributions to the logit", explanation.parts.tolist()),
        ("Decrease of the logit when the patch is covered", explanation.occlusion.tolist()),
    )
    page = render("image.html", name=name, model=model, answers=answers, sections=shown, numbers=numbers)
    write_atomically(path.with_suffix(".html"), page.encode())
    listed = ", ".join(f"{share.label} {share.probability:.1%}" for share in answers)
    sheet = draw_sheet(f"{name}: {answers[0].label}", f"Prediction of {model}: {listed}", shown)
    write_atomically(path.with_suffix(".png"), png_bytes(sheet))
