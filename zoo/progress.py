"""Progress bars with the time left, which print lines instead where there is no terminal."""

import time
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

LINE_SECONDS = 60.0
"""Minimum time between two lines of a task."""
LINE_SHARE = 0.01
"""Minimum progress between two lines, as a share of the task, so that a file of a long task stays readable."""


class ProgressBar(Progress):
    """A bar per task with its steps, its times and its field `status`.

    The time left is the task's field `left`, in seconds, where it is set, as for tasks whose steps take longer and
    longer. In a file or a pipe, there is a line at most every minute and every percent.

    Arguments:
        console: where to print.
        shown: False prints nothing.
    """

    def __init__(self, console: Console, shown: bool = True) -> None:
        super().__init__(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            _TimeLeftColumn(),
            TextColumn("{task.fields[status]}"),
            console=console,
            disable=not shown,
        )
        self.console.quiet = not shown
        self._printed: dict[TaskID, tuple[float, float]] = {}
        """Time and progress of the last line of each task, or of its start."""

    def update(self, task_id: TaskID, **changes: Any) -> None:
        """Change fields of a task; see `rich.progress.Progress.update`."""
        super().update(task_id, **changes)
        if not (self.console.is_terminal or self.disable):
            self._print_line(self._tasks[task_id])

    def _print_line(self, task: Task) -> None:
        now = time.monotonic()
        since, before = self._printed.setdefault(task.id, (now, task.completed))
        total = task.total or 0
        if task.completed - before < LINE_SHARE * total or now - since < LINE_SECONDS or task.completed >= total:
            return
        self._printed[task.id] = now, task.completed
        parts = [f"{task.description}: {task.completed:,.0f} of {total:,.0f} ({task.completed / total:.0%})"]
        left = seconds_left(task)
        parts += [f"about {duration(left)} left"] if left is not None else []
        self.console.print(", ".join([*parts, *filter(None, [task.fields["status"]])]), soft_wrap=True)


class _TimeLeftColumn(TimeRemainingColumn):
    def render(self, task: Task) -> Text:
        left = seconds_left(task)
        if left is None or task.finished:
            return super().render(task)
        minutes, seconds = divmod(round(left), 60)
        return Text(f"{minutes // 60}:{minutes % 60:02}:{seconds:02}", style="progress.remaining")


def seconds_left(task: Task) -> float | None:
    """Time that the rest of a task takes, in seconds; None if it is not known yet."""
    left: float | None = task.fields.get("left", task.time_remaining)
    return left


def duration(seconds: float) -> str:
    """A rounded time in words: `40 seconds`, `15 minutes`, `3.5 hours` or `2.1 days`."""
    for size, unit in ((1, "second"), (60, "minute"), (3600, "hour"), (86400, "day")):
        number = max(round(seconds / size, 1 if size >= 3600 else None), 1)
        if unit == "day" or number < {"second": 60, "minute": 90, "hour": 36}[unit]:
            break
    return f"{number:g} {unit}{'' if number == 1 else 's'}"


def rate(per_second: float) -> str:
    """A speed as a number: whole from 10 up, with two digits below, as in the first steps of a short run."""
    return f"{per_second:.0f}" if per_second >= 9.5 else f"{per_second:.2g}"
