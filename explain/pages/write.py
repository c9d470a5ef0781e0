"""Pages of several image files, written into a folder."""

import os
import re
from collections.abc import Callable, Iterable, Sequence
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
from zoo.files import array_bytes, png_bytes, refuse_inputs, write_atomically, writing
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
    *,
    explained: int | None = None,
    maps: bool = False,
    progress: Callable[[str], None] = lambda file: None,
) -> WrittenPages:
    """Write a page for each image, as `NAME.html` and `NAME.png`; unreadable images are skipped.

    Arguments:
        network: network to explain, in evaluation mode.
        config: its configuration.
        baseline: network to compare it with.
        files: image files.
        folder: folder of the pages.
        explained: index of the class to explain; None for the predicted class of each image.
        maps: whether to also write the maps, as `NAME.MAP.npy`.
        progress: called with the name of each image before it is explained.

    Raises:
        InputError: the folder is not writable, or a page would overwrite one of the images.
    """
    shown = shown_names(files)
    names = page_names(shown)
    for name in names:
        refuse_inputs(folder / f"{name}.png", files)
    entries, failures = [], []
    device = network.device
    with writing(f"into {folder}"):
        folder.mkdir(parents=True, exist_ok=True)
        for file, own, name in zip(files, shown, names, strict=True):
            progress(printable(own))
            try:
                image = read_image(file, config.input_size)
            except ImageError as error:
                failures.append(printable(error))
                continue
            compared = None
            if baseline.network is not None and baseline.network.config is not None:
                other = baseline.network.config
                compared = (other.name, baseline.network, read_image(file, other.input_size).pixels.to(device))
            explanation = explain_image(network, image.pixels.to(device), compared, explained)
            _write_page(folder, name, config.name, image, explanation, baseline.note)
            if maps:
                for kind, values in explanation.maps().items():
                    write_atomically(folder / f"{name}.{kind}.npy", array_bytes(values))
            thumbnail = image.square.resize((THUMBNAIL, THUMBNAIL))
            entries.append(IndexEntry(printable(own), f"{name}.html", explanation.answers[0], thumbnail))
        pages = [folder / entry.page for entry in entries]
        if len(files) > 1:
            pages.append(folder / f"{INDEX}.html")
            index = render("index.html", model=config.name, entries=entries, failures=failures)
            write_atomically(pages[-1], index.encode())
    return WrittenPages(tuple(pages), tuple(failures))


def shown_names(files: Sequence[Path]) -> list[str]:
    """Names of files relative to the folder that they have in common."""
    common = os.path.commonpath([os.path.abspath(file.parent) for file in files])
    return [os.path.relpath(os.path.abspath(file), common) for file in files]


def page_names(names: Iterable[str]) -> list[str]:
    """Unique page names of files, without suffix, consisting of letters, digits, `_` and `-`."""
    taken, pages = {INDEX}, []
    for own in names:
        stem = re.sub(r"[^\w-]+", "-", printable(os.path.splitext(own)[0])).strip("-")[:80] or "image"
        page, number = stem, 2
        while page.casefold() in taken:
            page, number = f"{stem}-{number}", number + 1
        taken.add(page.casefold())
        pages.append(page)
    return pages


def _write_page(
    folder: Path, page: str, model: str, image: InputImage, explanation: Explanation, baseline_note: str
) -> None:
    name, answers = printable(image.file.name), explanation.answers
    sections = build_sections(image, explanation, baseline_note)
    own, predicted = explanation.explained_class, explanation.classes[explanation.predicted]
    subject = "" if own == predicted else f" The maps explain another class, {own}."
    numbers = (
        (f"Contributions to the logit of {own}", explanation.parts.tolist()),
        (f"Decrease of the logit of {own} when the patch is covered", explanation.occlusion.tolist()),
    )
    text = render(
        "image.html",
        name=name,
        predicted=predicted,
        subtitle=f"Prediction of {model}.{subject}",
        answers=answers,
        sections=sections,
        numbers=numbers,
    )
    write_atomically(folder / f"{page}.html", text.encode())
    listed = ", ".join(f"{share.label} {share.probability:.1%}" for share in answers)
    sheet = draw_sheet(f"{name}: {predicted}", f"Prediction of {model}: {listed}.{subject}", sections)
    write_atomically(folder / f"{page}.png", png_bytes(sheet))
