"""Where things are, and what the README tells its readers to type."""

import re
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
MODELS = SOURCE / "build/models"
"""As they are published."""

TEXT = (SOURCE / "README.md").read_text()

CLIENT_EXAMPLE, PYTHON_EXAMPLE = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
"""Asks a server; uses a network."""

CURL_LINES = re.findall(r"^    (curl .*)$", TEXT, re.MULTILINE)
