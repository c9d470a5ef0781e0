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


def run_examples(document: Path, capsys: pytest.CaptureFixture[str], address: str = "") -> None:
    """Run the Python blocks of a document one after the other; each `print` must print what its comment says."""
    code = "\n".join(re.findall(r"```python\n(.*?)```", document.read_text(), re.DOTALL))
    exec(compile(code.replace("localhost:8000", address), document.name, "exec"), {})
    said = re.findall(r"^print\(.*\)  # (.*)$", code, re.MULTILINE)
    assert list(map(rounded, capsys.readouterr().out.splitlines())) == list(map(rounded, said))


def rounded(text: str) -> str:
    """A text with its long numbers rounded, since their last digits depend on the processor."""
    return re.sub(r"\d+\.\d{4,}", lambda number: f"{float(number[0]):.4g}", text)


@pytest.mark.process
def test_the_tables_are_up_to_date() -> None:
    subprocess.run([sys.executable, "docs/tables.py", "--check"], cwd=ROOT, check=True)


@pytest.mark.parametrize("document", ["README.md", "docs/python.md"])
def test_examples_print_what_they_say(
    document: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for folder in ("tests", "weights"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    monkeypatch.chdir(tmp_path)
    run_examples(ROOT / document, capsys)


def test_examples_that_ask_a_server_print_what_they_say(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    with running(create_app(Service.open(Settings(threads=1)))) as url:
        run_examples(ROOT / "docs/http.md", capsys, url.removeprefix("http://"))


def test_links_lead_somewhere() -> None:
    pages = (ROOT.glob("*.md"), ROOT.glob("docs/*.md"), ROOT.glob("benchmarks/results/*.md"))
    for document in (page for found in pages for page in found):
        for target in re.findall(r"\]\(([^)#]+)", document.read_text()):
            assert target.startswith("https://") or (document.parent / target).exists(), f"{document.name}: {target}"


def test_the_image_holds_the_default_model() -> None:
    assert f"COPY weights/{DEFAULT_MODEL} /weights/{DEFAULT_MODEL}\n" in (ROOT / "Dockerfile").read_text()
