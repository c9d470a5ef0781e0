"""Bounded reads and atomic writes of files, which never overwrite an input."""

import errno
import hashlib
import io
import json
import os
import select
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile, mkstemp
from typing import IO, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import TypeAdapter, ValidationError

from zoo.errors import InputError, PackageError, reason_of
from zoo.printable import encodable

T = TypeVar("T")

MAX_FILE_BYTES = 512 * 2**20
"""Size limit of a file that is read whole; the largest image that is decoded has 400 MB, uncompressed at 16 bits."""

PIPE_TIMEOUT_SECONDS = 10.0
"""Seconds to wait for the first byte of a pipe."""


def expand_path(text: str) -> Path:
    """A path with a leading `~` or `~USER` expanded to the home directory.

    Raises:
        InputError: there is no such user.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise InputError(f"{text}: there is no home directory {text.partition('/')[0]}; give the full path") from None


def read_bounded(file: str | PathLike[str], limit: int = MAX_FILE_BYTES) -> bytes:
    """Content of a file, a pipe or a device.

    Raises:
        OSError: it cannot be read.
        InputError: it has more bytes than the limit, or is a pipe without a writer.
    """
    with open(file, "rb", opener=_open_at_once) as stream:
        descriptor = stream.fileno()
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            if not select.select([descriptor], [], [], PIPE_TIMEOUT_SECONDS)[0]:
                raise InputError(f"nothing was written to this pipe for {PIPE_TIMEOUT_SECONDS:g} s; give a file")
            os.set_blocking(descriptor, True)
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise InputError(f"the file exceeds the limit of {limit:,} bytes; give a smaller one")
    return data


def _open_at_once(file: str, flags: int) -> int:
    # Otherwise opening a pipe without a writer would block forever.
    return os.open(file, flags | getattr(os, "O_NONBLOCK", 0))


def sha256(file: Path) -> str:
    """SHA-256 digest of a file, in hexadecimal.

    Raises:
        PackageError: it cannot be read.
    """
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise PackageError(f"{file} cannot be read: {reason_of(error)}") from None


def read_json(file: Path, adapter: TypeAdapter[T], problem: str, remedy: str) -> T | None:
    """Content of a JSON file, or None if there is no such file.

    Arguments:
        file: the file.
        adapter: pydantic adapter of the content's type.
        problem: description of an invalid file, such as "is not a table of releases".
        remedy: advice for that case.

    Raises:
        PackageError: it is not valid; names the file, the first wrong field, and the remedy.
    """
    if not file.is_file():
        return None
    try:
        return adapter.validate_json(file.read_bytes())
    except ValidationError as error:
        raise PackageError(f"{file} {problem}: {invalid_fields(error)[0]}; {remedy}") from None


def invalid_fields(error: ValidationError, whole: str = "file") -> list[str]:
    """Problems found by pydantic, each as `FIELD: MESSAGE`.

    Arguments:
        error: raised by the validation of a value.
        whole: used in place of a field's name for a problem with the whole value, such as invalid JSON.
    """
    return [f"{'.'.join(map(str, problem['loc'])) or whole}: {problem['msg']}" for problem in error.errors()]


def check_output(output: Path, inputs: Iterable[Path] = ()) -> None:
    """Check, before hours of work, that a file can be written and is not one of the inputs.

    Raises:
        InputError: it is an input or a directory, or its directory does not exist or is not writable.
    """
    refuse_inputs(output, inputs)
    with writing(output):
        if not output.parent.is_dir():
            raise InputError(f"cannot write {output}: there is no folder {output.parent}; make it, or check the path")
        if not os.access(output if output.exists() and not output.is_file() else output.parent, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def refuse_inputs(output: Path, inputs: Iterable[Path]) -> None:
    """Raise `InputError` if an output file is one of the inputs, or a directory."""
    problem = None
    if output.is_dir():
        problem = "it is a directory; give a file in it"
    elif output.exists() and any(_same(output, file) for file in inputs):
        problem = "it is an input file and would be overwritten; give another one"
    if problem:
        raise InputError(f"cannot write {output}: {problem}")


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:  # one of them does not exist
        return False


@contextmanager
def writing(output: object, remedy: str | None = None) -> Iterator[None]:
    """Context manager that turns an `OSError` into an `InputError` with the output, the reason and the remedy.

    Arguments:
        output: the file, or a description of it.
        remedy: in place of the usual one.
    """
    try:
        yield
    except OSError as error:
        raise InputError(f"cannot write {output}: {reason_of(error, remedy)}") from None


def require_writable(folder: Path, output: object, remedy: str | None = None) -> None:
    """Check that a folder is writable, or can be created; it is not created. Arguments and errors as for `writing`."""
    with writing(output, remedy):
        existing = next(each for each in (folder, *folder.absolute().parents) if each.exists())
        with TemporaryFile(dir=existing):
            pass


def write_output(output: Path, data: bytes) -> None:
    """Write a file, all or nothing; errors as for `writing`."""
    with writing(output):
        write_atomically(output, data)


def write_atomically(file: Path, data: bytes) -> None:
    """Replace the content of a file atomically: readers see either the old file or the new one, even after a crash.

    Pipes and devices, such as `/dev/stdout`, are written to directly.

    Raises:
        OSError: it cannot be written; its `filename` is this file.
    """
    try:
        if file.exists() and not (file.is_file() or file.is_dir()):
            file.write_bytes(data)
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            with replacing(file) as stream:
                stream.write(data)
    except OSError as error:
        error.filename, error.filename2 = str(file), None
        raise


@contextmanager
def replacing(file: Path) -> Iterator[IO[bytes]]:
    """Context manager with a stream, whose content replaces a file's at the end; after an error, the old one stays.

    Raises:
        OSError: it cannot be written.
    """
    # Only part of the name, which may already have the maximum length.
    handle, temporary = mkstemp(dir=file.parent, prefix=f".{file.name[:40]}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
        os.chmod(temporary, 0o644)
        os.replace(temporary, file)
    except BaseException:
        os.unlink(temporary)
        raise


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Context manager for a folder that appears only when it is complete: yields a temporary one to fill.

    Raises:
        InputError: the folder exists and is not empty, or is a file.
        OSError: it cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        problem = "is not empty" if folder.is_dir() else "is a file"
        raise InputError(f"{folder} {problem}; choose another folder, or remove it first")
    folder = folder.resolve()  # `.` has no name
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name[:40]}.", ignore_cleanup_errors=True) as temporary:
        unfinished = Path(temporary) / folder.name
        unfinished.mkdir()
        yield unfinished
        if not folder.exists():
            unfinished.rename(folder)
        else:  # empty, and not to be replaced, as it may be the current one
            for file in unfinished.iterdir():
                file.rename(folder / file.name)


def write_json(file: Path, value: Any) -> None:
    """Write a value as indented JSON, all or nothing."""
    write_atomically(file, json_text(value).encode())


def json_text(value: Any, only_ascii: bool = False) -> str:
    """A value as indented JSON; characters that cannot be encoded, as in some file names, are escaped."""
    text = json.dumps(value, indent=2, ensure_ascii=only_ascii) + "\n"
    return text if encodable(text) else json_text(value, only_ascii=True)


def png_bytes(image: Image.Image) -> bytes:
    """An image as a PNG file."""
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def array_bytes(array: NDArray[Any]) -> bytes:
    """An array in NumPy's .npy format."""
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()
