import os

import pytest

from zoo.printable import printable, printable_lines


@pytest.mark.parametrize("name", ["cat.jpg", "Katze ö 猫.jpg", "👨‍👩‍👧.jpg", "cat [bold]x :cat: \\x41", ""])
def test_what_can_be_printed_stays(name: str) -> None:
    assert printable(name) == name


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("two\nlines\r", r"two\x0alines\x0d"),
        ("\u2028", r"\u2028"),
        ("gpj.\u202etac", r"gpj.\u202etac"),
        (os.fsdecode(b"caf\xe9"), r"caf\xe9"),
        ("\ud800", r"\ud800"),
    ],
)
def test_what_cannot_is_escaped(name: str, shown: str) -> None:
    assert printable(name) == shown


def test_a_message_keeps_its_lines() -> None:
    assert printable_lines("one\x1b\n  two") == "one\\x1b\n  two"
