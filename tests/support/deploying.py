"""What `deploy/` and the Dockerfile say."""

from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from serve.settings import Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DOCKERFILE = ROOT / "Dockerfile"

USER = "10001"
"""Of the image."""


def read_yaml(name: str) -> Any:
    """A file below `deploy/`."""
    return yaml.safe_load((DEPLOY / name).read_text())


def unknown_variables(names: Iterable[str]) -> set[str]:
    """Those variables of ours that nothing reads."""
    known = {f"ZOO_{field.name.upper()}" for field in fields(Settings)} | {"ZOO_WEIGHTS"}
    return {name for name in names if name.startswith("ZOO_")} - known
