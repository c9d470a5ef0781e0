"""The commands `zoo train` and `zoo eval`."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from training import recipes
from training.recipe import Recipe
from zoo.errors import InputError
from zoo.extras import require
from zoo.options import SPLITS, Data, ModelArgument, RecordOption, path_option, with_changes
from zoo.package.metrics import DEFAULT_SPLIT

DEFAULT_RECIPE = "fast"


def add_commands(app: typer.Typer) -> None:
    """Add `train` and `eval` to the program."""
    app.command()(train)
    app.command("eval")(evaluate)


@with_changes(Recipe, recipes.RECIPES, DEFAULT_RECIPE)
def train(
    changes: dict[str, Any],
    variant: Annotated[str, typer.Argument(help="Variant, as in `zoo list`.", show_default=False)],
    data: Data = "cifar10",
    recipe: Annotated[
        str,
        typer.Option(
            help="Defaults of the recipe options below: paper (for the paper's table, on a GPU), fast (the most "
            "accuracy for a short time), finetune (from the released model, for your own images) or smoke (as a check)."
        ),
    ] = DEFAULT_RECIPE,
    hold_out: Annotated[
        float,
        typer.Option(
            help="Share, from 0 to below 1, of the training images that are not trained on, but measured at the end "
            "instead of the test split, as by `zoo eval --split held-out`.",
            show_default="0, or 0.1 if the data has neither a test nor a validation split",
        ),
    ] = 0.0,
    unreadable: Annotated[
        Literal["stop", "skip"], typer.Option(help="What to do with unreadable image files.")
    ] = "stop",
    run: Annotated[
        Path | None,
        path_option(
            "--run-folder",
            help="Folder of the run, for checkpoint and log; DATA is the last part of --data.",
            show_default="runs/VARIANT.DATA",
        ),
    ] = None,  # not `--run`, which torchrun would parse as an abbreviation of its own option
    out: Annotated[Path | None, path_option(help="Model directory to write.", show_default="RUN-FOLDER/model")] = None,
    device: Annotated[str, typer.Option(help="Device: auto, cpu, cuda or cuda:N.")] = "auto",
    workers: Annotated[
        int | None,
        typer.Option(
            help="Processes that decode images that do not fit in memory; 0 for none.",
            min=0,
            show_default="one per core",
        ),
    ] = None,
    compiled: Annotated[
        bool,
        typer.Option("--compile", help="Use torch.compile: takes minutes at first, then is faster on some machines."),
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Train on a random sample of this many images, the same for every --seed.",
            show_default="all",
        ),
    ] = None,
) -> None:
    """Train a variant and write its model directory; interrupted runs resume.

    The same command resumes an interrupted run, and ends with the same weights as without the interruption (bit for bit
    on a CPU). A folder belongs to one run: with other data or another recipe, the command fails; choose another
    --run-folder, or delete the folder to start over. It also works under `torchrun`, on several GPUs and machines.
    """
    chosen = replace(recipes.get(recipe), **changes)
    require("train")
    from training.checkpoint import MODEL_FOLDER
    from training.data.data_set import data_set_name
    from training.job import Job, run_job
    from zoo.terminal import Terminal

    run = run or Path("runs") / f"{variant}.{data_set_name(data)}"
    job = Job(
        variant=variant,
        source=data,
        recipe=chosen,
        recipe_name=recipe,
        run=run,
        out=out or run / MODEL_FOLDER,
        hold_out=hold_out,
        limit=limit,
        unreadable=unreadable,
        workers=workers,
        device=device,
        compiled=compiled,
    )
    run_job(job, Terminal().print)


def evaluate(
    model: ModelArgument,
    data: Data = "cifar10",
    split: Annotated[
        str | None,
        typer.Option(
            help=f"Split to measure: {SPLITS}, or train.",
            show_default=DEFAULT_SPLIT,
        ),
    ] = None,
    through: Annotated[
        str,
        typer.Option(
            help="Runtime: torch, onnx (fp32), onnx-fp16, onnx-int8, or the URL of a running server that serves MODEL."
        ),
    ] = "torch",
    limit: Annotated[
        int | None, typer.Option(min=1, help="Number of randomly chosen images to measure.", show_default="all")
    ] = None,
    record: RecordOption = False,
) -> None:
    """Measure a model's accuracy through PyTorch, ONNX Runtime or a running server (--record keeps it)."""
    require("train")
    from training.data.data_set import data_set_name
    from training.data.model_split import ModelData
    from training.evaluate import evaluate as measure
    from training.evaluate import open_through
    from training.model import record_evaluation
    from zoo.hub import open_model
    from zoo.terminal import Terminal, progress_bar

    package = open_model(model)
    if record and (limit is not None or data_set_name(data) != package.config.data):
        raise InputError(f"--record needs a whole split of {package.config.data}, the model's own data set")
    kind, predictor, digest = open_through(through, package)
    if record and kind == "server" and digest != package.config.weights_sha256:
        raise InputError(
            f"the server at {through} serves other weights than those in {package.path}; serve that directory"
        )
    images_of = ModelData(package, data)
    split = images_of.choose(split)
    if record and split == "train" and not images_of.is_own:
        raise InputError(f"--record --split train needs the data that {package.config.name} was trained on")
    images = images_of.load(split, limit)
    console = Terminal()
    for note in images_of.notes:
        console.print(note)
    with progress_bar() as progress:
        task = progress.add_task(f"{package.config.name} through {kind}", total=len(images.labels), status="")
        evaluation = measure(predictor, images, lambda done: progress.update(task, completed=done))
    if record:
        record_evaluation(package, split, kind, evaluation, digest)
    console.print(
        f"{package.config.name} through {kind}: {evaluation.accuracy:.2f}% of {evaluation.images} {split} images of "
        f"{data_set_name(data)} (patches {evaluation.patch_accuracy:.2f}%, loss {evaluation.loss:.4f})"
    )
