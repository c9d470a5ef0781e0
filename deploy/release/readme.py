"""Paths, and the commands in the README."""

import re
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
MODELS = SOURCE / "build/models"
"""Models as published."""

TEXT = (SOURCE / "README.md").read_text()

CLIENT_EXAMPLE, PYTHON_EXAMPLE = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
"""Python examples in the README: one queries a server, one uses a network."""

CURL_LINES = re.findall(r"^    (curl .*)$", TEXT, re.MULTILINE)
