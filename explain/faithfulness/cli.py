"""The command `zoo faithfulness`."""

from pathlib import Path
from typing import Annotated

import typer

from zoo.errors import InputError
from zoo.extras import require
from zoo.hub import DEFAULT_MODEL
from zoo.options import Data, path_option
from zoo.package import NETWORK_FILES
from zoo.package.metrics import DEFAULT_SPLIT


def faithfulness(
    models: Annotated[
        list[str] | None, typer.Argument(help="Models, as in `zoo info`.", show_default=DEFAULT_MODEL)
    ] = None,
    data: Data = "cifar10",
    split: Annotated[
        str | None,
        typer.Option(help="Split to measure, any but train.", show_default=DEFAULT_SPLIT),
    ] = None,
    images: Annotated[int, typer.Option(min=1, help="Number of images, chosen at random.")] = 1000,
    mosaics: Annotated[int, typer.Option(min=1, help="Mosaics of four images for the pointing game, at most.")] = 100,
    seed: Annotated[int, typer.Option(help="Of the choice of images and of the mosaics.")] = 0,
    output: Annotated[
        Path, path_option("-o", "--output", help="The JSON record; models in it that were measured alike are kept.")
    ] = Path("faithfulness.json"),
) -> None:
    """How well maps tell what the answers depend on: curves of removed patches, and the grid pointing game."""
    require("explain")
    from explain.faithfulness.measure import Protocol, about, same_measurement
    from explain.faithfulness.record import read_record, write_record
    from explain.faithfulness.run import measure_package
    from explain.faithfulness.table import faithfulness_table
    from training.data.model_split import ModelData
    from zoo.hub import open_model
    from zoo.terminal import Terminal

    packages = [open_model(name, NETWORK_FILES) for name in models or [DEFAULT_MODEL]]
    protocol = Protocol(images, seed, mosaics)
    record = read_record(output)
    console = Terminal()
    for package in packages:
        config, own = package.config, ModelData(package, data)
        chosen = own.choose(split)
        if chosen == "train":
            raise InputError("--split train: answers to images of the training are not like others; name another split")
        what = (config.identity(), own.name, chosen, protocol)
        if same_measurement(record.get(config.name, {}), *what):
            console.print(f"{config.name}: measured already, kept in {output}")
            continue
        found = measure_package(package, own, chosen, protocol)
        record[config.name] = about(*what) | found
        write_record(output, record)
        for note in own.notes:
            console.print(note)
    for package in packages:
        Terminal(folded=True).print(faithfulness_table(package.config.name, record[package.config.name]))
