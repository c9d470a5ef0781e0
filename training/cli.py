"""The commands `zoo train` and `zoo eval`."""

from pathlib import Path
from typing import Annotated

import typer

from training.recipe import Recipe
from zoo.errors import InputError, MissingDependencyError
from zoo.options import with_options

Data = Annotated[
    str, typer.Option(help="A folder of Parquet files in the Hub's layout, a Hub data set's id, cifar10 or cifar100.")
]


def add_commands(app: typer.Typer) -> None:
    """Add `train` and `eval` to the program."""
    app.command()(train)
    app.command("eval")(evaluate)


@with_options(Recipe)
def train(
    recipe: Recipe,
    variant: Annotated[str, typer.Argument(help="A name of `zoo list`.", show_default=False)],
    data: Data = "cifar10",
    run: Annotated[Path | None, typer.Option(help="Folder of the checkpoint. [default: runs/VARIANT.DATA]")] = None,
    out: Annotated[Path | None, typer.Option(help="The model directory to write. [default: RUN/model]")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    limit: Annotated[int | None, typer.Option(help="Train on the first so many images only.")] = None,
) -> None:
    """Train a variant and write its model directory; a run that was stopped goes on where it was."""
    _require_torch()
    from rich.console import Console

    from training.data import data_set_name, load_split
    from training.device import choose_device
    from training.evaluate import evaluate as measure
    from training.loop import train as train_network
    from training.run import record_evaluation, save_model
    from zoo.registry import info
    from zoo.torch_predictor import TorchPredictor

    info(variant)
    chosen, why = choose_device(device)
    console = Console()
    console.print(f"computing on {chosen}: {why}")
    size = recipe.input_sizes[-1]
    images, test_images = load_split(data, "train", size, limit), load_split(data, "test", size)
    run = run or Path("runs") / f"{variant}.{data_set_name(data)}"
    trained = train_network(variant, images, recipe, run, chosen)
    package = save_model(out or run / "model", variant, data, images, trained, recipe)
    evaluation = measure(TorchPredictor(trained.network, package.config), test_images)
    record_evaluation(package, "test", "torch", evaluation)
    console.print(f"{package.path}: {evaluation.accuracy:.2f}% of {evaluation.images} test images")


def evaluate(
    model: Annotated[str, typer.Argument(help="A model, as in `zoo info`.", show_default=False)],
    data: Data = "cifar10",
    split: Annotated[str, typer.Option(help="train or test.")] = "test",
    through: Annotated[str, typer.Option(help="torch, onnx, or the URL of a running server.")] = "torch",
    limit: Annotated[int | None, typer.Option(help="Only the first so many images.")] = None,
    record: Annotated[bool, typer.Option("--record", help="Write the result into the model directory.")] = False,
) -> None:
    """Measure a model's accuracy through PyTorch, ONNX Runtime or a running server."""
    _require_torch()
    from rich.console import Console

    from training.data import data_set_name, load_split
    from training.evaluate import evaluate as measure
    from training.evaluate import open_through
    from training.loop import progress_bar
    from training.run import record_evaluation
    from zoo.hub import open_model

    package = open_model(model)
    if record and (limit is not None or data_set_name(data) != package.config.data):
        raise InputError(f"--record is for a whole split of {package.config.data}, the model's own data set")
    kind, predictor = open_through(through, package)
    images = load_split(data, split, package.config.input_size, limit)
    if images.classes != package.config.classes:
        raise InputError(f"{data} has other classes than {package.config.name}: {', '.join(images.classes)}")
    with progress_bar() as progress:
        task = progress.add_task(f"{package.config.name} through {kind}", total=len(images.labels), status="")
        evaluation = measure(predictor, images, lambda done: progress.update(task, completed=done))
    if record:
        record_evaluation(package, split, kind, evaluation)
    Console(soft_wrap=True).print(
        f"{package.config.name} through {kind}: {evaluation.accuracy:.2f}% of {evaluation.images} {split} images of "
        f"{data_set_name(data)} (patches {evaluation.patch_accuracy:.2f}%, loss {evaluation.loss:.4f})"
    )


def _require_torch() -> None:
    try:
        import datasets  # noqa: F401
        import torch  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingDependencyError(f"this needs {error.name}: pip install 'template-zoo[train]'") from None
