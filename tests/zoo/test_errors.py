import errno
import os

import pytest

from zoo import errors


def test_an_unknown_name_where_nothing_is_known() -> None:
    assert str(errors.UnknownNameError("model", "x", [])) == "unknown model 'x'; available: none"


def test_several_close_names_are_all_suggested() -> None:
    assert errors.UnknownNameError("class", "car", ["cat", "cab", "ship"]).close == ["cat", "cab"]


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.EACCES, "check the permissions of this path and of the folders above it"),
        (errno.EPERM, "check the permissions"),
        (errno.ENOENT, "check the path"),
        (errno.ENOTDIR, "a part of it is a file"),
        (errno.EISDIR, "give a file"),
        (errno.EROFS, "give a path on another one"),
        (errno.ENOSPC, "free some space"),
        (errno.EDQUOT, "free some space"),
        (errno.ENAMETOOLONG, "give a shorter path"),
        (errno.EMFILE, "ulimit -n"),
    ],
)
def test_the_reason_of_an_error_of_the_system_has_a_remedy(number: int, remedy: str) -> None:
    error = OSError(number, os.strerror(number), "file")
    assert errors.reason_of(error).startswith(f"{os.strerror(number)}; ")
    assert remedy in errors.reason_of(error)
    assert errors.reason_of(error, "wait") == f"{os.strerror(number)}; wait"
    assert errors.reason_of(error, "") == os.strerror(number)
    assert errors.reading_problem("a.png", error).startswith(f"cannot read a.png: {os.strerror(number)}; ")


def test_the_reason_of_other_errors_is_their_message() -> None:
    assert errors.reason_of(OSError("truncated")) == errors.reason_of(ValueError("truncated")) == "truncated"
    assert errors.reading_problem("a.png", errors.ImageError("damaged")) == "a.png: damaged"
