"""List of the public API: commands with their options, endpoints, settings, and imports shown in the documentation.

    python tools/public_surface.py > before.txt

Run it in two checkouts and diff the outputs: there is one line for each thing that users may rely on.
"""

import importlib
import importlib.metadata
import re
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import click
import typer

ROOT = Path.cwd()
sys.path.insert(0, str(ROOT))


def commands(command: click.Command, name: str = "zoo") -> Iterator[str]:
    """Commands and their parameters."""
    yield f"command {name}"
    for parameter in command.params:
        yield f"option {name} {' '.join((*parameter.opts, *parameter.secondary_opts))}"
    if hasattr(command, "commands"):
        for child, inner in command.commands.items():
            yield from commands(inner, f"{name} {child}")


def endpoints() -> Iterator[str]:
    """Endpoints, with their query parameters and the fields of their response models."""
    from serve.app import create_app
    from serve.inference.service import Service
    from serve.settings import Settings

    document = create_app(Service.open(Settings())).openapi()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"endpoint {method.upper()} {path}"
            for parameter in operation.get("parameters", ()):
                yield f"parameter {method.upper()} {path} {parameter['name']}"
    for name, schema in document["components"]["schemas"].items():
        for field in schema.get("properties", {}):
            yield f"field {name}.{field}"


def settings() -> Iterator[str]:
    """Server settings and fields of training recipes."""
    from serve.settings import Settings
    from training.recipe import Recipe

    for kind in (Settings, Recipe):
        for field in fields(kind):
            yield f"setting {kind.__name__}.{field.name}"


def documented_imports() -> Iterator[str]:
    """Names imported in README and docs, and whether the import works."""
    found = set()
    for file in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))):
        for code in re.findall(r"```(?:python|py)\n(.*?)```", file.read_text(), re.DOTALL):
            for module, names in re.findall(
                r"^from ((?:zoo|serve|training|export|explain|reproduction)[\w.]*) import (.+)$", code, re.M
            ):
                found |= {(module, name.strip().split(" as ")[0]) for name in names.strip("()").split(",")}
            found |= {
                (module, "")
                for module in re.findall(
                    r"^import ((?:zoo|serve|training|export|explain|reproduction)[\w.]*)", code, re.M
                )
            }
    for module, name in sorted(found):
        imported = importlib.import_module(module)
        works = not name or hasattr(imported, name)
        yield f"import {module} {name}{'' if works else ' FAILS'}"


if __name__ == "__main__":
    from zoo.cli import app

    for entry_point in importlib.metadata.entry_points(group="zoo.commands"):
        entry_point.load()(app)
    lines = {*commands(typer.main.get_command(app)), *endpoints(), *settings(), *documented_imports()}
    print(*sorted(lines), sep="\n")
