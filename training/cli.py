"""The commands `zoo train`, `zoo eval` and `zoo data`."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from training import recipes
from training.data.cli import data
from training.recipe import Recipe
from zoo.errors import InputError
from zoo.extras import require
from zoo.options import SPLITS, Data, ModelArgument, RecordOption, path_option, with_changes
from zoo.package.metrics import DEFAULT_SPLIT

DEFAULT_RECIPE = "fast"


def add_commands(app: typer.Typer) -> None:
    """Add this package's commands to the program."""
    app.command()(train)
    app.command("eval")(evaluate)
    app.command()(data)


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
    name: Annotated[
        str | None,
        typer.Option(
            help="Name of the run, whose folder is runs/NAME; DATA is the last part of --data.",
            show_default="VARIANT.DATA",
        ),
    ] = None,
    run: Annotated[
        Path | None,
        path_option(
            "--run-folder",
            help="Folder of the run, for checkpoint, log and report, if it is to lie elsewhere.",
            show_default="runs/NAME",
        ),
    ] = None,  # not `--run`, which torchrun would parse as an abbreviation of its own option
    out: Annotated[Path | None, path_option(help="Model directory to write.", show_default="RUN-FOLDER/model")] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Delete the checkpoint of the run, if there is one, and start again.")
    ] = False,
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
    on a CPU). A folder belongs to one run: with other data or another recipe, the command fails; choose another --name,
    or --restart. It also works under `torchrun`, on several GPUs and machines.

    At the end, the folder has a report: accuracy by class and by epoch, the confusion matrix, and the worst mistakes.
    """
    chosen = replace(recipes.get(recipe), **changes)
    if name is not None:
        _check_name(name, run)
    require("train")
    from training.checkpoint import MODEL_FOLDER
    from training.data.data_set import data_set_name
    from training.job import Job, run_job
    from training.processes import is_first_process
    from zoo.package.metrics import own_metrics
    from zoo.terminal import Terminal

    run = run or Path("runs") / (name or f"{variant}.{data_set_name(data)}")
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
        restart=restart,
    )
    console = Terminal()
    package = run_job(job, console.print)
    if is_first_process():
        commands = next_commands(package.path, data, own_metrics(package).measured_split)
        console.print("\n".join(["next:", *(f"  {command}" for command in commands)]))


def next_commands(model: Path, data: str, split: str) -> tuple[str, ...]:
    """Shell commands for what users do next with a trained model.

    Arguments:
        model: the model directory.
        data: data set, as for `zoo train`.
        split: split that was measured.
    """
    reference = shlex.quote(f"local-dir:{model}")
    return (
        f"zoo classify IMAGE --model {reference}",
        f"zoo export {reference}",
        f"zoo eval {reference} --data {shlex.quote(data)} --split {split} --through onnx --record",
        f"zoo serve --model {reference}",
    )


def _check_name(name: str, run: Path | None) -> None:
    """Refuse a name that is not that of a folder in `runs`, or that has no effect."""
    if name in ("", ".", "..") or name != Path(name).name:
        raise InputError(f"--name {name!r}: expected the name of a folder in runs; for other places, use --run-folder")
    if run is not None:
        raise InputError(f"--name {name} and --run-folder {run} both say where the run is; give one of them")


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
            help="Runtime: torch, onnx (fp32), onnx-fp16, onnx-int8, openvino-fp32, openvino-bf16, openvino-int8, or "
            "the URL of a running server that serves MODEL."
        ),
    ] = "torch",
    limit: Annotated[
        int | None, typer.Option(min=1, help="Number of randomly chosen images to measure.", show_default="all")
    ] = None,
    report: Annotated[
        Path | None,
        path_option(
            help="Folder for a report, created if necessary: accuracy by class, the confusion matrix (CSV and SVG), "
            "all mistakes (CSV), a sheet of the worst with their semantic maps (PNG), and the training by epoch (SVG).",
            show_default="no report",
        ),
    ] = None,
    record: RecordOption = False,
) -> None:
    """Measure a model's accuracy and calibration through PyTorch, ONNX Runtime, OpenVINO or a running server (--record
    keeps them, --report shows its mistakes).

    The calibration error is the expected one, in 15 bins of equal mass, with its 95% bootstrap interval over images.
    """
    require("train")
    from training.data.data_set import data_set_name
    from training.data.model_split import ModelData
    from training.evaluate import ask, open_through
    from training.model import record_evaluation
    from training.report import write_report
    from training.report.measured import Measured
    from zoo.files import require_writable
    from zoo.hub import open_model
    from zoo.package.metrics import own_metrics
    from zoo.terminal import Terminal, progress_bar

    package = open_model(model)
    if record and (limit is not None or data_set_name(data) != package.config.data):
        raise InputError(f"--record needs a whole split of {package.config.data}, the model's own data set")
    kind, predictor, digest = open_through(through, package)
    if record and kind == "server" and digest != package.config.weights_sha256:
        raise InputError(
            f"the server at {through} serves other weights than those in {package.path}; serve that directory"
        )
    if report is not None:
        require_writable(report, f"into {report}", "choose another folder with --report")
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
        answers = ask(predictor, images, lambda done: progress.update(task, completed=done))
        evaluation = answers.evaluate(images.classes, calibration=True)
    if record:
        record_evaluation(package, split, kind, evaluation, digest)
    assert evaluation.calibration_error is not None
    error, low, high = evaluation.calibration_error
    console.print(
        f"{package.config.name} through {kind}: {evaluation.accuracy:.2f}% of {evaluation.images} {split} images of "
        f"{data_set_name(data)} (patches {evaluation.patch_accuracy:.2f}%, loss {evaluation.loss:.4f}, calibration "
        f"error {error:.2f} points [{low:.2f}, {high:.2f}])"
    )
    training = own_metrics(package).training
    history = training.history if training else ()
    found = Measured(package.config.name, split, images, predictor, answers, history)
    for sentence in found.summary():
        console.print(sentence)
    if report is not None:
        write_report(report, found, console.print)
