"""The bar that a person watches."""

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from zoo.terminal import Terminal


def progress_bar(shown: bool = True) -> Progress:
    """A bar with the steps, the time and what the task says of itself in its field `status`.

    Arguments:
        shown: False for the processes beside the first.
    """
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[status]}"),
        console=Terminal(folded=True),
        disable=not shown,
    )
    bar.console.quiet = not shown
    return bar
