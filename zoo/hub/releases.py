"""Models released with this version, pinned to commits of Hub repositories and to digests of their files.

A name is looked up on the Hub only if it is in `releases.json`: taking a free name there, or replacing a repository's
files, has no effect here. `zoo publish --pins` writes the file.
"""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field, TypeAdapter, with_config

from zoo.files import read_json, write_json

RELEASES_FILE = Path(__file__).with_name("releases.json")

ORGANIZATION = "template-zoo"
ORGANIZATION_VARIABLE = "ZOO_HUB_ORG"


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True)
class Release:
    """State of a repository at its release."""

    revision: Annotated[str, Field(pattern="^[0-9a-f]{40}$")]
    """Commit; the owner of the repository could move a branch or a tag."""
    files: Mapping[str, str]
    """SHA-256 by name of each file that determines the model's outputs."""


def organization() -> str:
    """Organisation on the Hub to which model names refer: `ZOO_HUB_ORG`, or the zoo's own."""
    return chosen_organization() or ORGANIZATION


def chosen_organization() -> str | None:
    """`ZOO_HUB_ORG`; None if it is not set."""
    return os.environ.get(ORGANIZATION_VARIABLE) or None


def read_releases(file: Path = RELEASES_FILE) -> dict[str, Release]:
    """Releases by name of the repository, `ORG/NAME`; empty if there is no such file.

    Raises:
        PackageError: the file is not valid.
    """
    remedy = "restore it, or write it again with `zoo publish --all --pins`"
    return read_json(file, _adapter, "is not a table of releases", remedy) or {}


def record_releases(file: Path, released: Mapping[str, Release]) -> None:
    """Add releases to a file, replacing earlier ones of the same repositories.

    Raises:
        PackageError: the file exists and is not valid.
    """
    table = {**read_releases(file), **released}
    write_json(file, {repository: asdict(table[repository]) for repository in sorted(table)})


_adapter = TypeAdapter(dict[str, Release])
