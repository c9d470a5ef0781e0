"""This project's trainer: the loop of `zoo train` with its augmentation, log, progress and checkpoints.

The clock is a hook that PyTorch calls after every optimiser step, so the loop itself is exactly the one that users run.
"""

import sys
import tempfile
from pathlib import Path

from task import Clock, Task
from torch.optim.optimizer import register_optimizer_step_post_hook


def train(task: Task, run: Path) -> None:
    """Call the loop like `zoo train`; the only place that knows how."""
    from training.data.images import LabelledImages
    from training.feed import BatchStream
    from training.loop import train as train_network
    from training.model import start_network
    from training.processes import join_processes
    from training.recipe import Recipe

    images = LabelledImages(*task.images())
    recipe = Recipe(epochs=1, batch_size=task.batch_size, input_size=task.size)
    fabric, _ = join_processes(task.device)
    start = start_network(task.variant, images, recipe)
    feed = BatchStream(images, recipe, fabric.device)
    identity = {"variant": task.variant, "data": images.digest()}
    train_network(fabric, start.network, feed, run, identity, compiled=task.compiled, stop_after=task.last_step)


def main(task: Task) -> None:
    clock = Clock(task)
    register_optimizer_step_post_hook(lambda optimizer, args, kwargs: clock.step())
    with tempfile.TemporaryDirectory() as run:
        train(task, Path(run))
    clock.report()


if __name__ == "__main__":
    main(Task.from_json(sys.argv[1]))
