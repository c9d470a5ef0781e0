"""Give what CHANGELOG.md has under "Unreleased" the version of pyproject.toml, and today's date.

It may be repeated: a version without a git tag was only tried, and what was written since then is added to it.
"""

import subprocess
import tomllib
from datetime import UTC, datetime
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1]
UNRELEASED = "## Unreleased\n"


class ChangelogError(Exception):
    """What is there cannot be released."""


def released(text: str, version: str, date: str, is_out: bool) -> str:
    """A changelog's text with a version's heading over what was unreleased.

    Arguments:
        is_out: whether this version was released before.

    Raises:
        ChangelogError: nothing is unreleased, or more is since this version was released.
    """
    if text.count(UNRELEASED) != 1:
        raise ChangelogError(f"CHANGELOG.md needs one line {UNRELEASED.strip()!r}")
    before, after = text.split(UNRELEASED)
    changes, heading, earlier = after.partition("\n## ")
    if earlier.startswith(f"{version} ("):
        if is_out and changes.strip():
            raise ChangelogError(f"{version} is out, and CHANGELOG.md has more; raise the version in pyproject.toml")
        if is_out:
            return text
        old, heading, earlier = earlier.partition("\n## ")
        changes += old.partition("\n")[2].strip()
    if not changes.strip():
        raise ChangelogError("CHANGELOG.md has nothing under 'Unreleased'; write what users notice of this version")
    return f"{before}{UNRELEASED}\n## {version} ({date})\n\n{changes.strip()}\n{heading}{earlier}"


def main() -> None:
    version = tomllib.loads((SOURCE / "pyproject.toml").read_text())["project"]["version"]
    file = SOURCE / "CHANGELOG.md"
    try:
        file.write_text(released(file.read_text(), version, f"{datetime.now(UTC):%Y-%m-%d}", _has_tag(f"v{version}")))
    except ChangelogError as error:
        raise SystemExit(str(error)) from None


def _has_tag(name: str) -> bool:
    listed = subprocess.run(["git", "tag", "--list", name], cwd=SOURCE, capture_output=True, text=True, check=True)
    return bool(listed.stdout.strip())


if __name__ == "__main__":
    main()
