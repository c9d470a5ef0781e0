from pathlib import Path

import pytest

from zoo.errors import PackageError
from zoo.hub.releases import ORGANIZATION, Release, organization, read_releases, record_releases


def test_releases_are_recorded_beside_others(tmp_path: Path) -> None:
    file = tmp_path / "releases.json"
    first, second = Release("1" * 40, {"config.json": "a"}), Release("2" * 40, {})
    assert read_releases(file) == {}
    record_releases(file, {"acme/b": first, "acme/a": first})
    record_releases(file, {"acme/b": second})
    assert read_releases(file) == {"acme/a": first, "acme/b": second}
    assert list(read_releases(file)) == ["acme/a", "acme/b"]


def test_a_damaged_table(tmp_path: Path) -> None:
    file = tmp_path / "releases.json"
    file.write_text('{"acme/a": {"revision": "main", "files": {}}}')
    with pytest.raises(
        PackageError, match=r"is not a table of releases: acme/a\.revision: .*`zoo publish --all --pins`"
    ):
        read_releases(file)


def test_the_table_of_this_version_can_be_read() -> None:
    assert all(name.startswith(f"{ORGANIZATION}/") for name in read_releases())


def test_another_organization_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    assert organization() == "template-zoo"
    monkeypatch.setenv("ZOO_HUB_ORG", "acme")
    assert organization() == "acme"
