"""Safe printing of arbitrary text, such as file and class names."""

import unicodedata

_BIDIRECTIONAL = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_ESCAPED = frozenset({"Cc", "Cs", "Zl", "Zp"})


def printable(name: object) -> str:
    r"""A name on one line, with control characters and bytes that are not UTF-8 escaped.

    `\x1b` for a control character, `\u202e` for one that changes the writing direction, `\xff` for a byte of a file
    name.
    """
    text = str(name)
    return text if text.isprintable() else "".join(map(_escape, text))


def printable_lines(message: str) -> str:
    """A message of several lines, each escaped as by `printable`."""
    return "\n".join(map(printable, message.split("\n")))


def encodable(text: str, encoding: str = "utf-8") -> bool:
    """Whether a text can be represented in an encoding."""
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
