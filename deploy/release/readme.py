"""Where things are, and what the documentation tells its readers to type."""

import re
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
MODELS = SOURCE / "build/models"
"""As they are published."""

README = (SOURCE / "README.md").read_text()

[PYTHON_EXAMPLE] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
"""Uses a network."""

CLIENT_EXAMPLE = re.findall(r"```python\n(.*?)```", (SOURCE / "docs/http.md").read_text(), re.DOTALL)[-1]
"""Asks a server."""

CURL_LINES = re.findall(r"^    (curl .*)$", README, re.MULTILINE)
