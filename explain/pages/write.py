"""From picture files to a folder of pages."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from explain.page import THUMBNAIL, Entry, index_page, picture_page
from explain.pages.baseline import Plain
from explain.pages.explanation import Explanation, explain
from explain.pages.sections import sections
from explain.pages.seen import Seen, read_picture
from explain.pages.sheet import draw_sheet
from zoo.errors import ImageError
from zoo.files import png_bytes, refuse_inputs, write_atomically, writing
from zoo.networks.network import Network
from zoo.package import ModelConfig
from zoo.printable import printable

INDEX = "index"


class Written(NamedTuple):
    """What was written, and what could not be."""

    pages: tuple[Path, ...]
    """The pages of pictures, in their order, and the index if there are several pictures."""
    failures: tuple[str, ...]
    """Messages on the pictures without a page."""


def write_pages(
    network: Network,
    config: ModelConfig,
    plain: Plain,
    files: list[Path],
    folder: Path,
    progress: Callable[[str], None] = lambda file: None,
) -> Written:
    """Explain pictures, a page each as `NAME.html` and `NAME.png`; a bad picture does not keep the others from theirs.

    Raises:
        InputError: the folder cannot be written, or a page would replace one of the pictures.
    """
    names = page_names(files)
    for name in names:
        refuse_inputs(folder / f"{name}.png", files)
    entries, failures = [], []
    device = network.classifier.weight.device
    with writing(f"into {folder}"):
        folder.mkdir(parents=True, exist_ok=True)
        for file, name in zip(files, names, strict=True):
            progress(printable(file.name))
            try:
                seen = read_picture(file, config.input_size)
            except ImageError as error:
                failures.append(printable(error))
                continue
            beside = None
            if plain.network is not None and plain.network.config is not None:
                other = plain.network.config
                beside = (other.name, plain.network, read_picture(file, other.input_size).pixels.to(device))
            explanation = explain(network, seen.pixels.to(device), beside)
            _write_page(folder / name, config.name, seen, explanation, plain.note)
            square = seen.square.resize((THUMBNAIL, THUMBNAIL))
            entries.append(Entry(printable(file.name), f"{name}.html", explanation.answers[0], square))
        pages = [folder / entry.page for entry in entries]
        if len(files) > 1:
            pages.append(folder / f"{INDEX}.html")
            write_atomically(pages[-1], index_page(config.name, entries, failures).encode())
    return Written(tuple(pages), tuple(failures))


def page_names(files: Iterable[Path]) -> list[str]:
    """A name for each file's page, without its suffix: only letters, digits, `_` and `-`, and no name twice."""
    taken, names = {INDEX}, []
    for file in files:
        stem = re.sub(r"[^\w-]+", "-", printable(file.stem)).strip("-")[:80] or "picture"
        name, number = stem, 2
        while name.casefold() in taken:
            name, number = f"{stem}-{number}", number + 1
        taken.add(name.casefold())
        names.append(name)
    return names


def _write_page(path: Path, model: str, seen: Seen, explanation: Explanation, plain_note: str) -> None:
    name, best = printable(seen.file.name), explanation.answers
    shown = sections(seen, explanation, plain_note)
    write_atomically(path.with_suffix(".html"), picture_page(name, model, explanation, shown).encode())
    answers = ", ".join(f"{share.label} {share.probability:.1%}" for share in best)
    sheet = draw_sheet(f"{name}: {best[0].label}", f"Why the model {model} answers so: {answers}", shown)
    write_atomically(path.with_suffix(".png"), png_bytes(sheet))
