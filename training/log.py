"""The log of a run: one JSON line per entry, and the same numbers for TensorBoard."""

import json
import math
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from torch.utils.tensorboard import SummaryWriter

from training.checkpoint import LOG_FILE
from zoo.files import write_atomically


class Log:
    """Writer of `log.jsonl` and TensorBoard event files in a run's folder.

    Arguments:
        folder: folder of the run; None writes nothing, for all processes but the first.
        step: step from which the run resumes; entries of later steps, which will be repeated, are dropped.
    """

    def __init__(self, folder: Path | None, step: int) -> None:
        self._file: IO[str] | None = None
        if folder is None:
            return
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / LOG_FILE
        kept = [line for line in _lines(file) if json.loads(line)["step"] <= step]
        write_atomically(file, "".join(kept).encode())
        self._file = file.open("a", buffering=1)
        self._board = SummaryWriter(str(folder), purge_step=step + 1)

    def write(self, step: int, **values: float) -> None:
        """Add an entry after a step."""
        if self._file is None:
            return
        numbers = {name: round(value, 6) if math.isfinite(value) else None for name, value in values.items()}
        entry = {"step": step, "time": round(time.time(), 1)} | numbers
        self._file.write(json.dumps(entry) + "\n")
        for name, value in values.items():
            self._board.add_scalar(name, value, step)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
            self._board.close()


def _lines(file: Path) -> list[str]:
    """Complete entries; a killed process may have left an incomplete one."""
    if not file.exists():
        return []
    return [
        line for line in file.read_text().splitlines(keepends=True) if line.startswith("{") and line.endswith("}\n")
    ]
