"""Markdown tables, and the style of figures. matplotlib is imported only when a figure is drawn."""

import io
import re
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from zoo.printable import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Colour-blind-safe palette (Okabe and Ito)."""

STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    # Text stays text, and equal figures yield equal bytes.
    "svg.fonttype": "none",
    "svg.hashsalt": "template-zoo",
    # Names of classes are not formulas.
    "text.parse_math": False,
}
"""matplotlib settings for every figure."""


def markdown(headings: Iterable[str], alignment: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table; `alignment` has `l` or `r` for each column."""
    ruler = [{"l": "---", "r": "--:"}[side] for side in alignment]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in (headings, ruler, *rows))


def literal(name: str) -> str:
    """A name as Markdown that shows it as it is, on one line."""
    return re.sub(r"[\\`*_\[\]<>&~$]", r"\\\g<0>", printable(name))


def _cell(text: str) -> str:
    """Text of a table cell, on one line and with `|` escaped."""
    return " ".join(text.split()).replace("|", "\\|")


def svg(figure: "Figure", creator: str) -> bytes:
    """A figure as an SVG file without a date, so that equal figures yield equal bytes.

    Arguments:
        creator: program named in the file's metadata.
    """
    import matplotlib

    with matplotlib.rc_context(STYLE), io.BytesIO() as file, warnings.catch_warnings():
        # The viewer has fonts of its own.
        warnings.filterwarnings("ignore", r"Glyph .* missing from font")
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": creator})
        return file.getvalue()
