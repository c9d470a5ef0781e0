"""The command `zoo faithfulness`."""

from pathlib import Path
from typing import Annotated

import typer

from explain.extras import require_explaining
from zoo.hub import DEFAULT_MODEL
from zoo.package import NETWORK_FILES


def faithfulness(
    models: Annotated[
        list[str] | None, typer.Argument(help="Models, as in `zoo info`.", show_default=DEFAULT_MODEL)
    ] = None,
    data: Annotated[str, typer.Option(help="As for `zoo train`; its test split is measured on.")] = "cifar10",
    images: Annotated[int, typer.Option(min=1, help="Test images, chosen at random.")] = 1000,
    mosaics: Annotated[int, typer.Option(min=1, help="Mosaics of four images for the pointing game, at most.")] = 100,
    seed: Annotated[int, typer.Option(help="Of the choice of images and of the mosaics.")] = 0,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The JSON record; models in it that were measured alike are kept.")
    ] = Path("faithfulness.json"),
) -> None:
    """How well maps tell what the answers depend on: curves of removed patches, and the grid pointing game."""
    require_explaining()
    from explain.faithfulness import Protocol, about, same_measurement
    from explain.faithfulness_record import read_record, write_record
    from explain.faithfulness_run import measure_package
    from explain.faithfulness_table import faithfulness_table
    from training.pictures import data_set_name
    from zoo.hub import open_model
    from zoo.terminal import Terminal

    packages = [open_model(name, NETWORK_FILES) for name in models or [DEFAULT_MODEL]]
    protocol, data_name = Protocol(images, seed, mosaics), data_set_name(data)
    record = read_record(output)
    console = Terminal()
    for package in packages:
        config = package.config
        if same_measurement(record.get(config.name, {}), config.identity(), data_name, protocol):
            console.print(f"{config.name}: measured already, kept in {output}")
            continue
        found = measure_package(package, data, protocol)
        record[config.name] = about(config.identity(), data_name, protocol) | found
        write_record(output, record)
    for package in packages:
        Terminal(folded=True).print(faithfulness_table(package.config.name, record[package.config.name]))
