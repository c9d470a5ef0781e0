"""Pages in HTML that need nothing but themselves."""

import base64
import io
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from explain.pages.explanation import Explanation
from explain.pages.sections import Section
from zoo.answers import ClassShare

THUMBNAIL = 160


class Entry(NamedTuple):
    """A picture in the index."""

    name: str
    """Of the picture's file."""
    page: str
    """File name of its page."""
    answer: ClassShare
    thumbnail: Image.Image


def picture_page(name: str, model: str, explanation: Explanation, sections: tuple[Section, ...]) -> str:
    """The page of a picture."""
    numbers = (
        ("Exact parts of the logit", explanation.parts.tolist()),
        ("Falls of the logit when the patch is covered", explanation.occlusion.tolist()),
    )
    return _environment.get_template("picture.html").render(
        name=name, model=model, answers=explanation.answers, sections=sections, numbers=numbers
    )


def index_page(model: str, entries: Iterable[Entry], failures: Iterable[str]) -> str:
    """The page that leads to those of several pictures, with what went wrong with others."""
    return _environment.get_template("index.html").render(model=model, entries=list(entries), failures=list(failures))


def data_uri(image: Image.Image) -> str:
    """A picture as an address that holds it."""
    stream = io.BytesIO()
    image.save(stream, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()


# File names and names of classes may hold anything: everything is escaped.
_environment = Environment(
    loader=PackageLoader("explain"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_environment.filters |= {"data_uri": data_uri, "quoted": quote}
