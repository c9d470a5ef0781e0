"""Move the entries under "Unreleased" in CHANGELOG.md to the version of pyproject.toml, with today's date.

Can be repeated: a version without a git tag is not released yet, and later entries are added to it.
"""

import subprocess
import tomllib
from datetime import UTC, datetime
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1]
UNRELEASED = "## Unreleased\n"


class ChangelogError(Exception):
    """The changelog cannot be released."""


def released(text: str, version: str, date: str, is_out: bool) -> str:
    """Text of a changelog with the unreleased entries under a version's heading.

    Arguments:
        is_out: whether this version is already released.

    Raises:
        ChangelogError: there are no unreleased entries, or the version is already released.
    """
    if text.count(UNRELEASED) != 1:
        raise ChangelogError(f"CHANGELOG.md needs one line {UNRELEASED.strip()!r}")
    before, after = text.split(UNRELEASED)
    changes, heading, earlier = after.partition("\n## ")
    if earlier.startswith(f"{version} ("):
        if is_out and changes.strip():
            raise ChangelogError(
                f"version {version} is already released, and CHANGELOG.md has new entries; raise the version in "
                "pyproject.toml"
            )
        if is_out:
            return text
        old, heading, earlier = earlier.partition("\n## ")
        changes += old.partition("\n")[2].strip()
    if not changes.strip():
        raise ChangelogError("CHANGELOG.md has no entries under 'Unreleased'; describe what changes for users")
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
