"""The wheel and the sdist contain exactly the packages' files in version control; the changelog names the version."""

import re
import subprocess
import tarfile
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest
from release.readme import MODELS, SOURCE

from zoo.files import sha256
from zoo.hub.releases import read_releases
from zoo.package import ANSWERING_FILES

PACKAGES = ("zoo", "training", "export", "serve", "explain", "reproduction")
BESIDES = {".gitignore", "CHANGELOG.md", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml"}
"""Files in the sdist; its builder adds .gitignore, so that building from it is the same as from the source tree."""


def tracked() -> set[str]:
    listed = subprocess.run(["git", "ls-files", *PACKAGES], cwd=SOURCE, capture_output=True, text=True, check=True)
    return set(listed.stdout.splitlines())


def test_the_wheel_has_the_packages_and_nothing_else(wheel: Path) -> None:
    names = set(ZipFile(wheel).namelist())
    metadata = {name for name in names if name.partition("/")[0].endswith(".dist-info")}
    assert {Path(name).name for name in metadata} == {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "LICENSE"}
    assert names - metadata == tracked()
    assert {"zoo/py.typed", "serve/http/page/index.html", "serve/http/page/samples/cat.jpg"} <= names


def test_the_releases_are_of_these_models(wheel: Path, tmp_path: Path) -> None:
    """All models are released or, before the first release, none."""
    (tmp_path / "releases.json").write_bytes(ZipFile(wheel).read("zoo/hub/releases.json"))
    releases = read_releases(tmp_path / "releases.json")
    if not releases:
        pytest.skip("the models are not published yet")
    assert {name.rpartition("/")[2] for name in releases} == {path.name for path in MODELS.iterdir()}
    for name, release in releases.items():
        folder = MODELS / name.rpartition("/")[2]
        there = {file for file in ANSWERING_FILES if (folder / file).is_file()}
        assert release.files == {file: sha256(folder / file) for file in there}


def test_the_sdist_has_what_the_wheel_is_built_from(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names == tracked() | BESIDES


def test_the_changelog_dates_this_version() -> None:
    version = tomllib.loads((SOURCE / "pyproject.toml").read_text())["project"]["version"]
    newest, _, _ = (SOURCE / "CHANGELOG.md").read_text().partition("\n## ")[2].partition("\n")
    assert re.fullmatch(rf"{re.escape(version)} \(\d{{4}}-\d\d-\d\d\)", newest), (
        f"CHANGELOG.md begins with {newest!r}; rename it to '{version} (YYYY-MM-DD)'"
    )
