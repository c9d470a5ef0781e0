"""Tables in Markdown."""

from collections.abc import Iterable


def markdown(headings: Iterable[str], alignment: str, rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table; `alignment` has `l` or `r` for each column."""
    ruler = [{"l": "---", "r": "--:"}[side] for side in alignment]
    return "\n".join("| " + " | ".join(row) + " |" for row in (headings, ruler, *rows))
