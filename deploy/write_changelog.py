"""Give what CHANGELOG.md has under "Unreleased" the version of pyproject.toml, and today's date.

Nothing is changed where this version stands there already and nothing is unreleased, so that `make release` may be
repeated.
"""

import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1]
UNRELEASED = "## Unreleased\n"


class ChangelogError(Exception):
    """What is there cannot be released."""


def released(text: str, version: str, date: str) -> str:
    """A changelog's text with a version's heading over what was unreleased.

    Raises:
        ChangelogError: nothing is unreleased, or this version was released before.
    """
    if text.count(UNRELEASED) != 1:
        raise ChangelogError(f"CHANGELOG.md needs one line {UNRELEASED.strip()!r}")
    before, after = text.split(UNRELEASED)
    changes, heading, earlier = after.partition("\n## ")
    is_there = re.search(rf"^## {re.escape(version)} ", text, re.MULTILINE)
    if not changes.strip():
        if is_there:
            return text
        raise ChangelogError("CHANGELOG.md has nothing under 'Unreleased'; write what users notice of this version")
    if is_there:
        raise ChangelogError(
            f"CHANGELOG.md has {version} already, and more under 'Unreleased'; raise the version in pyproject.toml"
        )
    return f"{before}{UNRELEASED}\n## {version} ({date})\n\n{changes.strip()}\n{heading}{earlier}"


def main() -> None:
    version = tomllib.loads((SOURCE / "pyproject.toml").read_text())["project"]["version"]
    file = SOURCE / "CHANGELOG.md"
    try:
        file.write_text(released(file.read_text(), version, f"{datetime.now(UTC):%Y-%m-%d}"))
    except ChangelogError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
