"""Text that may hold anything, such as names of files and classes, as it can be printed."""

import unicodedata

_BIDIRECTIONAL = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_ESCAPED = frozenset({"Cc", "Cs", "Zl", "Zp"})


def printable(name: object) -> str:
    r"""A name in one line: what a terminal would obey is escaped, and so are the bytes that are not UTF-8.

    `\x1b` for a control character, `\u202e` for one that turns the direction of writing, `\xff` for a byte of the name
    of a file.
    """
    text = str(name)
    return text if text.isprintable() else "".join(map(_escape, text))


def printable_lines(message: str) -> str:
    """A message of several lines, the same done to each."""
    return "\n".join(map(printable, message.split("\n")))


def encodable(text: str, encoding: str = "utf-8") -> bool:
    """Whether an encoding has all characters of a text."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _escape(character: str) -> str:
    code = ord(character)
    if not (unicodedata.category(character) in _ESCAPED or character in _BIDIRECTIONAL):
        return character
    if 0xDC80 <= code <= 0xDCFF:  # a byte, by `surrogateescape`
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
