import hashlib
import os
import re
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from zoo import files
from zoo.errors import InputError
from zoo.files import (
    check_output,
    expand_path,
    new_folder,
    read_bounded,
    refuse_inputs,
    require_writable,
    sha256,
    write_atomically,
    write_output,
)


def test_a_home_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert expand_path("~/models") == Path("/home/somebody/models")


def test_a_home_directory_of_nobody() -> None:
    with pytest.raises(InputError, match=r"~no-such-user/x: there is no home directory"):
        expand_path("~no-such-user/x")


def test_a_file_within_the_limit_is_read_whole(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"1234")
    assert read_bounded(file, 4) == b"1234"
    with pytest.raises(InputError, match="limit of 3 bytes"):
        read_bounded(file, 3)


def test_an_endless_file_ends() -> None:
    with pytest.raises(InputError, match="limit of 1,000 bytes"):
        read_bounded("/dev/zero", 1000)


def test_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=[b"x" * 200_000])
    writer.start()
    assert read_bounded(pipe) == b"x" * 200_000
    writer.join()


def test_a_pipe_that_nobody_writes_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    monkeypatch.setattr(files, "PIPE_TIMEOUT_SECONDS", 0.05)
    with pytest.raises(InputError, match="nothing was written to this pipe"):
        read_bounded(pipe)


@pytest.mark.parametrize("make", [Path.symlink_to, Path.hardlink_to])
def test_an_output_that_is_the_input_by_another_name(make: object, tmp_path: Path) -> None:
    image, link = tmp_path / "x.png", tmp_path / "link.png"
    image.touch()
    make(link, image)
    for output in (image, link, tmp_path / "." / "x.png"):
        with pytest.raises(InputError, match=r"cannot write .*png: it is an input file"):
            refuse_inputs(output, [tmp_path / "other.png", image])
    refuse_inputs(tmp_path / "new.png", [image])


def test_outputs_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="it is a directory"):
        check_output(tmp_path)
    with pytest.raises(InputError, match=r"there is no folder .*/no; make it, or check the path"):
        check_output(tmp_path / "no" / "x.png")
    check_output(tmp_path / "x.png")


@pytest.mark.process
def test_a_full_disk_leaves_the_former_file(tmp_path: Path) -> None:
    # A limit on the size of files fails as a full disk does.
    file = tmp_path / "x"
    file.write_bytes(b"former")
    program = (
        "import resource, signal, sys; from pathlib import Path; from zoo.files import write_output\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "write_output(Path(sys.argv[1]), bytes(100_000))\n"
    )
    ended = subprocess.run([sys.executable, "-c", program, file], capture_output=True, text=True, timeout=60)
    assert f"InputError: cannot write {file}: File too large" in ended.stderr
    assert file.read_bytes() == b"former"
    assert list(tmp_path.iterdir()) == [file]


def test_a_device_is_written_to_and_stays_one(tmp_path: Path) -> None:
    link = tmp_path / "full"
    link.symlink_to("/dev/full")
    with pytest.raises(InputError, match=r"cannot write .*full: No space left on device"):
        write_output(link, b"x")
    assert link.is_symlink()
    assert link.is_char_device()


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for file in (Path("/dev/full"), tmp_path / "folder"):
        with pytest.raises(OSError, match=re.escape(str(file))) as caught:
            write_atomically(file, b"x")
        assert caught.value.filename == str(file)
    assert list(tmp_path.iterdir()) == [tmp_path / "folder"]


def test_a_name_as_long_as_names_can_be(tmp_path: Path) -> None:
    file = tmp_path / ("x" * 251 + ".png")
    write_output(file, b"x")
    assert file.read_bytes() == b"x"


def test_a_folder_need_not_exist_to_be_writable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in (tmp_path, tmp_path / "a" / "b", Path("a"), Path()):
        require_writable(folder, "x")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "a"):
        with pytest.raises(InputError, match=r"^cannot write x into it: Not a directory; take another one$"):
            require_writable(folder, "x into it", "take another one")


def test_digest(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000
    (tmp_path / "x").write_bytes(content)
    assert sha256(tmp_path / "x") == hashlib.sha256(content).hexdigest()


def test_writing_makes_folders_and_replaces(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b" / "c.json"
    for content in (b"first, and longer", b"second"):
        write_atomically(file, content)
        assert file.read_bytes() == content
    assert [path.name for path in file.parent.iterdir()] == ["c.json"]
    assert file.stat().st_mode & 0o777 == 0o644


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "x"
    write_atomically(file, b"old")
    with pytest.raises(TypeError):
        write_atomically(file, "not bytes")  # type: ignore[arg-type]
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_failed_replacement_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = tmp_path / "x"
    (folder / "full").mkdir(parents=True)
    with pytest.raises(OSError, match="x"):
        write_atomically(folder, b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_new_folder_appears_when_it_is_complete(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "new"
    with new_folder(folder) as unfinished:
        (unfinished / "one").write_text("1")
        assert not folder.exists()
    assert [file.read_text() for file in folder.iterdir()] == ["1"]
    assert list(folder.parent.iterdir()) == [folder]


def test_a_new_folder_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with suppress(ZeroDivisionError), new_folder(tmp_path / "new") as unfinished:
        (unfinished / "one").write_text("1")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_a_new_folder_may_exist_if_it_is_empty(tmp_path: Path) -> None:
    inode = tmp_path.stat().st_ino
    with new_folder(tmp_path) as unfinished:
        (unfinished / "one").write_text("1")
        (unfinished / "two").mkdir()
    assert tmp_path.stat().st_ino == inode
    assert {path.name for path in tmp_path.iterdir()} == {"one", "two"}
    with pytest.raises(InputError, match="is not empty"), new_folder(tmp_path):
        pytest.fail("entered")
    with pytest.raises(InputError, match="is a file"), new_folder(tmp_path / "one"):
        pytest.fail("entered")
