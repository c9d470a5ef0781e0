"""This project's trainer: the loop of `zoo train` with its augmentation, log, progress and checkpoints.

The loop is exactly the one that users run. The clock counts the batches that it asks for, since a step that is replayed
as a captured graph calls no Python code.
"""

import sys
import tempfile
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

from task import Clock, Task


def train(task: Task, clock: Clock, run: Path) -> None:
    """Call the loop like `zoo train`; the only place that knows how."""
    from training.data.images import LabelledImages
    from training.feed import Batch, BatchStream
    from training.loop import train as train_network
    from training.model import start_network
    from training.processes import join_processes
    from training.recipe import Recipe

    class CountedStream(BatchStream):
        def batches(self, start: int = 0) -> Generator[Batch, None, None]:
            with closing(super().batches(start)) as batches:
                for number, batch in enumerate(batches):
                    if number:  # the step of the batch before has ended
                        clock.step()
                    yield batch

    images = LabelledImages(*task.images())
    recipe = Recipe(epochs=1, batch_size=task.batch_size, input_size=task.size)
    fabric, _ = join_processes(task.device)
    start = start_network(task.variant, images, recipe)
    feed = CountedStream(images, recipe, fabric.device)
    identity = {"variant": task.variant, "data": images.digest()}
    train_network(fabric, start.network, feed, run, identity, compiled=task.compiled, stop_after=task.last_step + 1)


def main(task: Task) -> None:
    clock = Clock(task)
    with tempfile.TemporaryDirectory() as run:
        train(task, clock, Path(run))
    clock.report()


if __name__ == "__main__":
    main(Task.from_json(sys.argv[1]))
