from pathlib import Path

import pytest
from write_changelog import ChangelogError, released

BEFORE = "# Changelog\n\n## Unreleased\n\n- New.\n\n## 0.1.0 (2026-01-01)\n\n- First.\n"
AFTER = "# Changelog\n\n## Unreleased\n\n## 0.2.0 (2026-02-02)\n\n- New.\n\n## 0.1.0 (2026-01-01)\n\n- First.\n"


def test_what_is_unreleased_gets_a_version() -> None:
    assert released(BEFORE, "0.2.0", "2026-02-02", is_out=False) == AFTER


def test_a_repetition() -> None:
    assert released(AFTER, "0.2.0", "2026-03-03", is_out=True) == AFTER
    assert released(AFTER, "0.2.0", "2026-02-02", is_out=False) == AFTER
    more = AFTER.replace("## Unreleased\n", "## Unreleased\n\n- Newer.\n")
    assert released(more, "0.2.0", "2026-02-02", is_out=False) == AFTER.replace("- New.", "- Newer.\n- New.")


def test_the_first_release() -> None:
    assert (
        released("## Unreleased\n- First.\n", "1.0", "D", is_out=False) == "## Unreleased\n\n## 1.0 (D)\n\n- First.\n"
    )


@pytest.mark.parametrize(
    ("text", "version", "message"),
    [
        (BEFORE, "0.1.0", "0.1.0 is already released, .* raise the version in pyproject.toml"),
        (AFTER, "0.3.0", "no entries under 'Unreleased'"),
        ("# Changelog\n", "0.1.0", "needs one line"),
    ],
)
def test_what_cannot_be_released(text: str, version: str, message: str) -> None:
    with pytest.raises(ChangelogError, match=message):
        released(text, version, "2026-02-02", is_out=True)


def test_the_changelog_can_be_released() -> None:
    text = (Path(__file__).parents[2] / "CHANGELOG.md").read_text()
    changed = text.replace("## Unreleased\n", "## Unreleased\n\n- A.\n")
    assert "## 99.0 (2026-02-02)" in released(changed, "99.0", "2026-02-02", is_out=False)
