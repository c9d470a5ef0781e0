"""Tables in Markdown."""

from collections.abc import Iterable, Sequence

Column = tuple[str, str]
"""Heading, and `l` or `r`: the side that its cells are aligned to."""


def markdown(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    ruler = [{"l": "---", "r": "--:"}[side] for _, side in columns]
    return "\n".join("| " + " | ".join(row) + " |" for row in ([heading for heading, _ in columns], ruler, *rows))
