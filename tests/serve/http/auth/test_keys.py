import os
from collections.abc import Callable
from pathlib import Path

import pytest

from serve.http.auth import ApiKeys
from zoo.errors import InputError

FIRST, SECOND, THIRD = "first-key-0123456", "second-key-012345", "third-key-0123456"


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """Write the file of keys; each time it looks newer."""
    file, times = tmp_path / "keys", 0

    def write(text: str) -> Path:
        nonlocal times
        times += 1
        file.write_text(text)
        os.utime(file, ns=(times, times))
        return file

    return write


def test_keys_have_names(write: Callable[[str], Path]) -> None:
    file = write(f"# of the team\nalice:{FIRST}\n\n  {SECOND}  # nobody's\nalice:third.~+/=-_12345\n")
    keys = ApiKeys([f"bob:{THIRD}"], str(file))
    assert keys
    assert keys.name(FIRST) == keys.name("third.~+/=-_12345") == "alice"
    assert keys.name(THIRD) == "bob"
    assert str(keys.name(SECOND)).startswith("key-")
    for wrong in ("", FIRST[:-1], FIRST + "0", f"alice:{FIRST}", "é", "\udcff"):
        assert keys.name(wrong) is None


def test_without_keys_none_is_needed() -> None:
    assert not ApiKeys([])


@pytest.mark.parametrize("key", ["x" * 15, f"alice:{'x' * 15}", "sixteen letters and", "sixteen-letters-é", "alice:"])
def test_bad_keys_are_refused_and_not_shown(key: str) -> None:
    with pytest.raises(InputError, match="key 2 of api_keys: must be at least 16") as refused:
        ApiKeys([FIRST, key])
    assert key not in str(refused.value)


def test_a_bad_name_is_refused() -> None:
    with pytest.raises(InputError, match="key 1 of api_keys: the name 'a b' must be"):
        ApiKeys([f"a b:{FIRST}"])


def test_a_file_that_is_not_there_or_has_no_key_is_an_error_at_the_start(
    tmp_path: Path, write: Callable[[str], Path]
) -> None:
    with pytest.raises(InputError, match=r"cannot read .*nothing"):
        ApiKeys([], str(tmp_path / "nothing"))
    with pytest.raises(InputError, match="has no keys"):
        ApiKeys([FIRST], str(write("# none\n")))


@pytest.mark.parametrize("text", [f"\ufeffalice:{FIRST}\n", f"alice:{FIRST}\r\n\r\n", f"\ufeff# keys\r\nalice:{FIRST}"])
def test_what_editors_add_to_a_file(text: str, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_bytes(text.encode())
    assert ApiKeys([], str(file)).name(FIRST) == "alice"


def test_a_file_that_is_no_file_of_keys(tmp_path: Path) -> None:
    (tmp_path / "utf16").write_text(f"alice:{FIRST}", "utf-16")
    for file, reason in (
        (tmp_path, "Is a directory"),
        (tmp_path / "utf16", "it is not UTF-8"),
        (Path("/dev/zero"), "it is a pipe or a device"),
    ):
        with pytest.raises(InputError, match=rf"{file}: .*{reason}.*; set api_keys_file"):
            ApiKeys([], str(file))


def test_keys_are_replaced_while_the_server_runs(clock: Clock, write: Callable[[str], Path]) -> None:
    keys = ApiKeys([THIRD], str(write(f"old:{FIRST}")), clock)
    write(f"new:{SECOND}")
    clock.now += 0.9
    assert keys.name(FIRST) == "old"  # it is not looked at for each request
    clock.now += 0.2
    assert keys.name(SECOND) == "new"
    assert keys.name(FIRST) is None
    assert keys.name(THIRD) is not None


@pytest.mark.parametrize("broken", ["", "too-short", None])
def test_a_broken_file_changes_nothing_and_is_told_once(
    broken: str | None, clock: Clock, write: Callable[[str], Path], caplog: pytest.LogCaptureFixture
) -> None:
    file = write(f"old:{FIRST}")
    keys = ApiKeys([], str(file), clock)
    if broken is None:
        file.unlink()
    else:
        write(broken)
    for _ in range(3):
        clock.now += 2
        assert keys.name(FIRST) == "old"
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "API keys not reloaded" in caplog.text
    write(f"new:{SECOND}")
    clock.now += 2
    assert keys.name(SECOND) == "new"
