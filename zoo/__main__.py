"""`python -m zoo`: the same program as `zoo`, for `torchrun -m zoo train ...`."""

import os
import sys
from pathlib import Path


def _drop_working_directory() -> None:
    """Remove the working directory from `sys.path`: a user's `training.py` or `rich.py` would shadow a package."""
    here, own = Path.cwd(), Path(__file__).resolve().parents[1]
    if here != own:
        sys.path[:] = [entry for entry in sys.path if Path(entry or os.curdir).absolute() != here]


if __name__ == "__main__":
    _drop_working_directory()

    from zoo.cli import main

    main()
