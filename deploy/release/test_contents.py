"""What is in the wheel and in the sdist: the packages' files in version control, all of them, and nothing else."""

import subprocess
import tarfile
from pathlib import Path
from zipfile import ZipFile

from release.readme import SOURCE

PACKAGES = ("zoo", "training", "export", "serve", "explain")
BESIDES = {".gitignore", "CHANGELOG.md", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml"}
"""In the sdist; its builder adds .gitignore, to build from it what it would build from the source tree."""


def tracked() -> set[str]:
    listed = subprocess.run(["git", "ls-files", *PACKAGES], cwd=SOURCE, capture_output=True, text=True, check=True)
    return set(listed.stdout.splitlines())


def test_the_wheel_has_the_packages_and_nothing_else(wheel: Path) -> None:
    names = set(ZipFile(wheel).namelist())
    metadata = {name for name in names if name.partition("/")[0].endswith(".dist-info")}
    assert {Path(name).name for name in metadata} == {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "LICENSE"}
    assert names - metadata == tracked()
    assert {"zoo/py.typed", "serve/page/index.html", "serve/page/samples/cat.jpg"} <= names


def test_the_sdist_has_what_the_wheel_is_built_from(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names == tracked() | BESIDES
