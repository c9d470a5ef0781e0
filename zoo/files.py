"""Files that a user names: read within a limit, written whole or not at all, and never over what was read."""

import io
import os
import select
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np
from PIL import Image

from zoo.errors import InputError
from zoo.package import write_atomically
from zoo.predictors import Array

MAX_FILE_BYTES = 512 * 2**20
"""Limit on a file that is read whole; the largest image that is decoded has 400 MB, uncompressed and with 16 bits."""

PIPE_SECONDS = 10.0
"""How long the first byte of a pipe may take."""


def expand_path(text: str) -> Path:
    """A path whose `~` or `~USER` is a home directory.

    Raises:
        InputError: there is no such user.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise InputError(f"{text}: {text.partition('/')[0]} is nobody's home directory; write the whole path") from None


def read_bounded(file: str | PathLike[str], limit: int = MAX_FILE_BYTES) -> bytes:
    """Content of a file, a pipe or a device.

    Raises:
        OSError: it cannot be read.
        InputError: it has more bytes than the limit, or is a pipe that nobody writes to.
    """
    with open(file, "rb", opener=_open_at_once) as stream:
        descriptor = stream.fileno()
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            if not select.select([descriptor], [], [], PIPE_SECONDS)[0]:
                raise InputError(f"nobody has written to this pipe for {PIPE_SECONDS:g} s; name a file")
            os.set_blocking(descriptor, True)
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise InputError(f"the file has more than {limit:,} bytes, the limit; name a smaller one")
    return data


def _open_at_once(file: str, flags: int) -> int:
    # Else opening a pipe that nobody writes to would never end.
    return os.open(file, flags | getattr(os, "O_NONBLOCK", 0))


def check_output(output: Path, inputs: Iterable[Path] = ()) -> None:
    """Check, before hours of work, that a file can be written and is none of the files that are read.

    Raises:
        InputError: it is one of them, or a directory, or its directory is not there.
    """
    refuse_inputs(output, inputs)
    problem = None
    if not output.parent.is_dir():
        problem = f"No such file or directory: {output.parent}"
    elif not os.access(output if output.exists() and not output.is_file() else output.parent, os.W_OK):
        problem = "Permission denied"
    if problem:
        raise InputError(f"cannot write {output}: {problem}")


def refuse_inputs(output: Path, inputs: Iterable[Path]) -> None:
    """Raise `InputError` if a file that is to be written is one of those that are read, or a directory."""
    problem = None
    if output.is_dir():
        problem = "it is a directory; name a file in it"
    elif any(_same(output, file) for file in inputs):
        problem = "it is a file that is read, and would be lost; name another one"
    if problem:
        raise InputError(f"cannot write {output}: {problem}")


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:  # one of them is not there
        return False


@contextmanager
def writing(output: object, remedy: str = "") -> Iterator[None]:
    """What fails in it is an `InputError` that names what cannot be written, the reason and the remedy.

    Arguments:
        output: the file, or other words for it.
    """
    try:
        yield
    except OSError as error:
        reason = f"cannot write {output}: {error.strerror or error}"
        raise InputError(f"{reason}; {remedy}" if remedy else reason) from None


def require_writable(folder: Path, output: object, remedy: str = "") -> None:
    """Make a folder if need be, and try to write into it; arguments and errors as for `writing`."""
    with writing(output, remedy):
        if not folder.exists():
            folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass


def write_output(output: Path, data: bytes) -> None:
    """Write a file, all or nothing; errors as for `writing`."""
    with writing(output):
        write_atomically(output, data)


def png_bytes(image: Image.Image) -> bytes:
    """An image as a PNG file."""
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def array_bytes(array: Array) -> bytes:
    """An array as a file of `numpy.load`."""
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()
