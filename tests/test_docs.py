"""What the documentation says is what the project does."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from zoo.hub import DEFAULT_MODEL

ROOT = Path(__file__).parents[1]


def test_the_tables_are_up_to_date() -> None:
    subprocess.run([sys.executable, "docs/tables.py", "--check"], cwd=ROOT, check=True)


def test_the_python_example_prints_what_it_says(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    [code] = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    monkeypatch.chdir(ROOT)
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out == "cat\n"


def test_links_lead_somewhere() -> None:
    for document in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/*.md")):
        for target in re.findall(r"\]\(([^)#]+)", document.read_text()):
            assert target.startswith("https://") or (document.parent / target).exists(), f"{document.name}: {target}"


def test_the_image_holds_the_default_model() -> None:
    assert f"COPY weights/{DEFAULT_MODEL} /weights/{DEFAULT_MODEL}\n" in (ROOT / "Dockerfile").read_text()
