import io
import os
import sys
import threading
from pathlib import Path

import pytest
from support.images import write_files

from zoo.classify import sources as module
from zoo.classify.sources import Sources, is_url
from zoo.errors import InputError

IMAGES = {"2.png": b"2", "10.jpg": b"10", "a/b/1.webp": b"1", "a/notes.txt": b"", ".hidden/1.png": b"", "a/raw": b"r"}


class Pipe(io.TextIOWrapper):
    """Standard input with some bytes, a pipe or a terminal."""

    def __init__(self, data: bytes, terminal: bool = False) -> None:
        super().__init__(io.BytesIO(data))
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


def names(sources: Sources, root: Path) -> list[str]:
    return [os.path.relpath(source.name, root) for source in sources]


def test_a_folder_is_all_images_in_it_and_below(tmp_path: Path) -> None:
    sources = Sources((write_files(tmp_path, IMAGES),))
    assert names(sources, tmp_path) == ["10.jpg", "2.png", "a/raw", "a/b/1.webp"]
    assert [source.read() for source in sources] == [b"10", b"2", b"r", b"1"]
    assert sources.count() == 4


def test_files_are_in_the_order_given_whatever_their_names(tmp_path: Path) -> None:
    write_files(tmp_path, {"x.txt": b"x", "1.png": b"1"})
    sources = Sources((f"{tmp_path}/x.txt", f"{tmp_path}/1.png", f"{tmp_path}/x.txt", f"{tmp_path}/no.png"))
    assert [source.read() for source in list(sources)[:3]] == [b"x", b"1", b"x"]
    with pytest.raises(FileNotFoundError):
        list(sources)[3].read()


@pytest.mark.parametrize("kind", ["empty", "closed"])
def test_a_folder_without_images_is_one_that_fails(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(tmp_path, {"folder/notes.txt": b"", "1.png": b"1"})
    if kind == "closed":
        monkeypatch.setattr(os, "scandir", lambda path: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
    first, second = Sources((f"{tmp_path}/folder", f"{tmp_path}/1.png"))
    assert first.name == f"{tmp_path}/folder"
    with pytest.raises((InputError, PermissionError), match={"empty": "no images", "closed": "denied"}[kind]):
        first.read()
    assert second.read() == b"1"


def test_a_folder_that_cannot_be_read_does_not_hide_those_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_files(tmp_path, {"a/1.png": b"1", "b/2.png": b"2", "c/3.png": b"3"})
    scandir = os.scandir

    def closed(path: str) -> object:
        if path == f"{tmp_path}/b":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    *images, unreadable = Sources((str(tmp_path),))
    assert [source.name for source in images] == [f"{tmp_path}/a/1.png", f"{tmp_path}/c/3.png"]
    assert unreadable.name == f"{tmp_path}/b"
    with pytest.raises(PermissionError):
        unreadable.read()


def test_a_list_has_files_folders_and_urls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(
        write_files(tmp_path, {**IMAGES, "list.txt": b"2.png\r\n\n a \na\nhttps://x.org/1.png\ncaf\xe9.png"})
    )
    monkeypatch.setattr("zoo.classify.fetch.fetch", lambda url: b"")
    sources = Sources(("10.jpg",), "list.txt")
    expected = ["10.jpg", "2.png", " a ", "a/raw", "a/b/1.webp", "https://x.org/1.png", os.fsdecode(b"caf\xe9.png")]
    assert [source.name for source in sources] == expected
    assert sources.count() is None


def test_urls_are_fetched_together_and_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(3)

    def fetch(url: str) -> bytes:
        together.wait(10)
        if url.endswith("2"):
            raise InputError("it is not there")
        return url.encode()

    monkeypatch.setattr("zoo.classify.fetch.fetch", fetch)
    write_files(tmp_path, {"1.png": b"1"})
    urls = [f"http://x.org/{number}" for number in range(3)]
    sources = list(Sources((*urls, f"{tmp_path}/1.png")))
    assert [source.name for source in sources] == [*urls, f"{tmp_path}/1.png"]
    assert [sources[number].read() for number in (0, 1, 3)] == [b"http://x.org/0", b"http://x.org/1", b"1"]
    with pytest.raises(InputError, match="it is not there"):
        sources[2].read()


def test_standard_input(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "stdin", Pipe(b"an image"))
    [source] = Sources(("-",))
    assert (source.name, source.read()) == ("-", b"an image")
    file = tmp_path / "1.png"
    monkeypatch.setattr(sys, "stdin", Pipe(f"{file}\n".encode()))
    assert [source.name for source in Sources((), "-")] == [str(file)]


def test_standard_input_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_FILE_BYTES", 7)
    monkeypatch.setattr(sys, "stdin", Pipe(b"12345678"))
    [source] = Sources(("-",))
    with pytest.raises(InputError, match="limit of 7 bytes"):
        source.read()


def test_standard_input_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Pipe(b""))
    for arguments in ((("-", "-"),), (("-",), "-")):
        with pytest.raises(InputError, match="was given 2 times"):
            Sources(*arguments)


def test_nobody_types_an_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Pipe(b"", terminal=True))
    with pytest.raises(InputError, match="is a terminal; pipe an image"):
        Sources(("-",))
    with pytest.raises(InputError, match="is a terminal; pipe a list"):
        Sources((), "-")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("https://x.org/1.png", True),
        ("FTP://x", True),
        ("s3://bucket/1.png", True),
        ("a/b://c", False),
        ("C:/1.png", False),
        ("-", False),
    ],
)
def test_urls_by_their_scheme(name: str, expected: bool) -> None:
    assert is_url(name) is expected
