"""The command `zoo semantics`."""

from pathlib import Path
from typing import Annotated

import typer

from zoo.errors import InputError, reason_of
from zoo.extras import require
from zoo.options import SPLITS, Data, ModelArgument, path_option
from zoo.package.metrics import DEFAULT_SPLIT


def semantics(
    model: ModelArgument,
    data: Data = "cifar10",
    split: Annotated[
        str | None,
        typer.Option(help=f"Split to analyse: {SPLITS}.", show_default=DEFAULT_SPLIT),
    ] = None,
    output: Annotated[
        Path | None,
        path_option(
            "-o", "--output", help="Output folder for the report.", show_default="runs/semantics/VARIANT.DATA.SPLIT"
        ),
    ] = None,
    images: Annotated[
        int | None, typer.Option(min=1, help="Number of images randomly sampled from the split.", show_default="all")
    ] = None,
    training_images: Annotated[
        int,
        typer.Option(
            min=2,
            help="Maximum number of randomly sampled training images, in which entities (recurring mixtures of "
            "classes), clusters and nearest neighbours of patches are sought.",
        ),
    ] = 5000,
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 0,
    record: Annotated[
        bool,
        typer.Option(
            "--record",
            help="Write the entities to the model directory (-ours models only); `zoo patches` and the server then "
            "name the nearest one of each patch.",
        ),
    ] = False,
) -> None:
    """Analyse the patches of a whole split: writes a report with figures, tables and, for -ours, a search index."""
    require("explain")
    from explain.semantics.report import write_report
    from explain.semantics.study import StudySettings, report_folder, run_study
    from training.data.data_set import data_set_name
    from training.data.model_split import ModelData
    from zoo.hub import open_model
    from zoo.package import ENTITIES_FILE
    from zoo.registry import info
    from zoo.terminal import Terminal, progress_bar

    package = open_model(model)
    name = data_set_name(data)
    if record and name != package.config.data:
        raise InputError(
            f"--record --data {name}: only entities of {package.config.data}, the model's data set, are recorded"
        )
    if record and not info(package.config.variant).has_block:
        raise InputError(
            f"--record: {package.config.variant} has no semantic block, and thus no entities; choose an -ours variant"
        )
    images_of = ModelData(package, data)
    split = images_of.choose(split)
    settings = StudySettings(images_of, split, images, training_images, seed)
    folder = output or report_folder(package.config.variant, name, split)
    console = Terminal()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with progress_bar() as bar:
            task = bar.add_task(package.config.name, total=1, status="")
            found = run_study(
                package,
                settings,
                folder,
                lambda what, done, total: bar.update(task, description=what, completed=done, total=total),
            )
            bar.update(task, description="report", completed=5, total=5)
            page = write_report(found, folder)
        if record and found.assignment is not None:
            found.assignment.entities.write(package)
            console.print(f"{package.path / ENTITIES_FILE}: {len(found.assignment.entities)} entities")
    except OSError as error:
        raise InputError(f"cannot write {error.filename or folder}: {reason_of(error)}") from None
    for note in images_of.notes:
        console.print(note)
    console.print(f"{page}: {len(found.measured.predicted)} {split} images of {name}, {package.config.name}")
