"""The command `zoo slack`."""

from pathlib import Path
from typing import Annotated

import typer

from zoo.errors import InputError
from zoo.extras import require
from zoo.options import SPLITS, Data, ModelArgument, RecordOption, data_option, path_option
from zoo.package import NETWORK_FILES
from zoo.package.metrics import HELD_OUT_FIRST

TEXTURES = "textures"


def slack(
    model: ModelArgument,
    data: Data = "cifar10",
    split: Annotated[
        str | None,
        typer.Option(help=f"Split to measure on: {SPLITS}, or train.", show_default=", else ".join(HELD_OUT_FIRST)),
    ] = None,
    backgrounds: Annotated[
        str,
        data_option(
            help="Backgrounds: textures with the spectra of other images of the split, or the images of another data "
            "set: a name, a folder or a Hub data set."
        ),
    ] = TEXTURES,
    background_classes: Annotated[
        str | None,
        typer.Option(help="Classes of that data set to use, separated by commas.", show_default="all"),
    ] = None,
    images: Annotated[int, typer.Option(min=2, help="Number of randomly sampled images.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 0,
    record: RecordOption = False,
    sheet: Annotated[
        Path | None,
        path_option(
            help="PNG file to write: a contact sheet of the first images with their maps.", show_default="none"
        ),
    ] = None,
) -> None:
    """Measure whether the slack, the share of no class, is higher on background than on objects.

    Images are shrunk and put at random places on backgrounds; patches of different images at the same place are
    compared.
    """
    require("train")
    require("explain", "scipy")
    import torch

    from explain.slack.backgrounds import foreign_backgrounds
    from explain.slack.measure import SlackSettings, measure_separation, shares_of
    from explain.slack.report import slack_lines
    from explain.slack.scenes import make_textures
    from explain.slack.sheet import IMAGES, contact_sheet
    from training.data.data_set import data_set_name
    from training.data.model_split import ModelData, require_recordable
    from zoo.files import writing
    from zoo.hub import open_model
    from zoo.package.slack import write_slack
    from zoo.predictors.torch import TorchPredictor
    from zoo.terminal import Terminal, progress_bar

    textured = backgrounds == TEXTURES
    if textured and background_classes:
        raise InputError("--background-classes needs --backgrounds DATA")
    package = open_model(model, NETWORK_FILES)
    config = package.config
    if record:
        require_recordable(config, data)
    own = ModelData(package, data)
    split = own.choose(split, prefer_held_out=True)
    # The images in the background are others than those in front.
    loaded = own.load(split, 2 * images if textured else images, seed)
    if textured:
        count = len(loaded.labels) // 2
        behind = make_textures(loaded.images[count : 2 * count], seed)
        name = TEXTURES
    else:
        count = len(loaded.labels)
        classes = tuple(part.strip() for part in background_classes.split(",")) if background_classes else None
        behind = foreign_backgrounds(backgrounds, split, classes, count, config.input_size, seed)
        name = data_set_name(backgrounds)
    console = Terminal()
    for note in own.notes:
        console.print(note)
    settings = SlackSettings(data_set_name(data), split, seed, config.weights_sha256, name)
    network = TorchPredictor.open(package).network
    with progress_bar() as progress:
        task = progress.add_task(config.name, total=count, status="")
        found = measure_separation(
            network,
            loaded.images[:count],
            loaded.labels[:count],
            behind,
            settings,
            lambda done: progress.update(task, completed=done),
        )
    if record:
        write_slack(package, found)
    if sheet is not None:
        shown = loaded.images[:IMAGES]
        with torch.inference_mode():
            shares = shares_of(network.semantics(shown.to(network.device))).cpu().numpy()
        with writing(sheet):
            contact_sheet(shown, shares, config.classes).save(sheet, "PNG")
    console.print(slack_lines(config.name, found))
