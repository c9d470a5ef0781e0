"""What the documentation says is what the project does."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.serving import running

from serve.app import create_app
from serve.inference.service import Service
from serve.settings import Settings
from zoo.hub import DEFAULT_MODEL

ROOT = Path(__file__).parents[1]
CLIENT_EXAMPLE, PYTHON_EXAMPLE = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


@pytest.mark.process
def test_the_tables_are_up_to_date() -> None:
    subprocess.run([sys.executable, "docs/tables.py", "--check"], cwd=ROOT, check=True)


def test_the_python_example_prints_what_it_says(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    exec(compile(PYTHON_EXAMPLE, "README.md", "exec"), {})
    assert capsys.readouterr().out == "cat\n"


def test_the_example_of_the_client_gives_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    with running(create_app(Service.open(Settings(threads=1)))) as url:
        code, expression = CLIENT_EXAMPLE.replace("http://localhost:8000", url).strip().rsplit("\n", 1)
        namespace: dict[str, object] = {}
        exec(code, namespace)
        assert eval(expression, namespace) == expression.rpartition("# ")[2]


def test_links_lead_somewhere() -> None:
    for document in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/*.md")):
        for target in re.findall(r"\]\(([^)#]+)", document.read_text()):
            assert target.startswith("https://") or (document.parent / target).exists(), f"{document.name}: {target}"


def test_the_image_holds_the_default_model() -> None:
    assert f"COPY weights/{DEFAULT_MODEL} /weights/{DEFAULT_MODEL}\n" in (ROOT / "Dockerfile").read_text()
