"""The models that were released with this version: the commit of each one's Hub repository, and what its files are.

A name is looked up on the Hub only if it is in `releases.json`: whoever takes a name that is free there, or replaces a
repository's files, changes nothing here. `zoo publish --pins` writes the file.
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
    """What a repository held when it was released."""

    revision: Annotated[str, Field(pattern="^[0-9a-f]{40}$")]
    """The commit; a branch or a tag would be moved by whoever owns the repository."""
    files: Mapping[str, str]
    """SHA-256 of each file that decides what the model answers, by its name."""


def organization() -> str:
    """The organisation on the Hub whose repositories the zoo's names mean: `ZOO_HUB_ORG`, or the zoo's own."""
    return chosen_organization() or ORGANIZATION


def chosen_organization() -> str | None:
    """`ZOO_HUB_ORG`; None where it is not set."""
    return os.environ.get(ORGANIZATION_VARIABLE) or None


def read_releases(file: Path = RELEASES_FILE) -> dict[str, Release]:
    """Releases by the name of their repository, `ORG/NAME`; none where there is no such file.

    Raises:
        PackageError: the file is not valid.
    """
    remedy = "restore it, or write it anew with `zoo publish --all --pins`"
    return read_json(file, _adapter, "is not a table of releases", remedy) or {}


def record_releases(file: Path, released: Mapping[str, Release]) -> None:
    """Add releases to a table, in the place of older ones of the same repositories.

    Raises:
        PackageError: the file is there and not valid.
    """
    table = {**read_releases(file), **released}
    write_json(file, {repository: asdict(table[repository]) for repository in sorted(table)})


_adapter = TypeAdapter(dict[str, Release])
