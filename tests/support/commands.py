"""What a command printed as it ended."""

import re
from subprocess import CompletedProcess


def fails(ended: CompletedProcess[str], message: str) -> None:
    """The program ended with one line that says why."""
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.startswith("error: ")
    assert ended.stderr.count("\n") == 1
    assert re.search(message, ended.stderr), ended.stderr
