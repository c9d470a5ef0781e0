"""Hook of mkdocs that lays out the website's files as in the repository, so that their links hold there too."""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]

SHOWN = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "LICENSE",
    "docs/**/*.md",
    "docs/**/*.svg",
    "docs/**/*.png",
    "docs/**/*.json",
    "docs/site.css",
    "examples/*",
    "benchmarks/results/*",
    "weights/*/*.json",
    "weights/*/*.md",
    "weights/*/map.png",
    "tests/data/cat.jpg",
)
"""Pages, and what they link to."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The files of the website, instead of those of docs/ alone; the theme's own stay."""
    shown = sorted({path.relative_to(ROOT).as_posix() for pattern in SHOWN for path in ROOT.glob(pattern)})
    theme = [file for file in files if file.src_dir != config.docs_dir]
    pages = [File(path, str(ROOT), config.site_dir, config.use_directory_urls) for path in shown]
    return Files([*theme, *(page for page in pages if Path(str(page.abs_src_path)).is_file())])


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The text of a page, with Markdown inside folded sections, as GitHub renders it."""
    return markdown.replace("<details>", '<details markdown="1">')
