"""The command `zoo faithfulness`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.errors import InputError
from zoo.extras import require
from zoo.hub import DEFAULT_MODEL
from zoo.options import SPLITS, Data, path_option
from zoo.package import NETWORK_FILES
from zoo.package.metrics import DEFAULT_SPLIT

if TYPE_CHECKING:
    from explain.faithfulness.measure import MeasurementProtocol
    from training.data.model_split import ModelData
    from zoo.package import Package


def faithfulness(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            help="Models: VARIANT, VARIANT.DATA, local-dir:PATH or hf-hub:ORG/NAME@REVISION; see `zoo --help`.",
            show_default=DEFAULT_MODEL,
        ),
    ] = None,
    data: Data = "cifar10",
    split: Annotated[
        str | None,
        typer.Option(help=f"Split to measure on: {SPLITS}.", show_default=DEFAULT_SPLIT),
    ] = None,
    images: Annotated[int, typer.Option(min=1, help="Number of randomly sampled images.")] = 1000,
    mosaics: Annotated[int, typer.Option(min=1, help="Maximum number of mosaics, of four images each.")] = 100,
    seed: Annotated[int, typer.Option(help="Random seed for images and mosaics.")] = 0,
    output: Annotated[
        Path,
        path_option(
            "-o",
            "--output",
            help="JSON file for the results. A model that it has with the same weights, data and settings is skipped; "
            "results of a model with others are replaced.",
        ),
    ] = Path("faithfulness.json"),
) -> None:
    """Measure how far maps of the patches that matter to an answer can be trusted.

    Deletion replaces patches, most important first, by the mean colour or by a blurred image, and insertion adds them
    to these; the measure is the area under the probability of the answer. In the pointing game, the map of a class is
    to lie on the image of that class in a mosaic of four. Up to six kinds of maps are compared, one of them random; see
    docs/explain.md.
    """
    require("explain")
    from explain.faithfulness.measure import MeasurementProtocol, is_same_measurement, measurement_key
    from explain.faithfulness.record import measurement_table, read_measurements, write_measurements
    from training.data.model_split import ModelData
    from zoo.hub import open_model
    from zoo.terminal import Terminal

    packages = [open_model(name, NETWORK_FILES) for name in models or [DEFAULT_MODEL]]
    protocol = MeasurementProtocol(images, seed, mosaics)
    record = read_measurements(output)
    console = Terminal()
    for package in packages:
        config, own = package.config, ModelData(package, data)
        chosen = own.choose(split)
        if chosen == "train":
            raise InputError("--split train: predictions on training images are not typical; choose another split")
        what = (config.identity(), own.name, chosen, protocol)
        if is_same_measurement(record.get(config.name, {}), *what):
            console.print(f"{config.name}: already measured in {output}; skipped")
            continue
        found = _measure(package, own, chosen, protocol)
        record[config.name] = measurement_key(*what) | found
        write_measurements(output, record)
        for note in own.notes:
            console.print(note)
    for package in packages:
        Terminal(folded=True).print(measurement_table(package.config.name, record[package.config.name]))


def _measure(package: "Package", data: "ModelData", split: str, protocol: "MeasurementProtocol") -> dict[str, Any]:
    """Measure one model, with a progress bar; returns its record."""
    from explain.faithfulness.measure import measure_faithfulness
    from explain.pointing import QUADRANTS
    from zoo.predictors.torch import TorchPredictor
    from zoo.registry import info
    from zoo.terminal import Terminal, progress_bar

    config = package.config
    console = Terminal(stderr=True)
    if few := len(config.classes) < QUADRANTS:
        console.print(
            f"{config.name}: skipping the pointing game, which needs {QUADRANTS} classes: the model has "
            f"{len(config.classes)}"
        )
    images = data.load(split, protocol.images, protocol.seed)
    network = TorchPredictor.open(package).network
    with progress_bar() as bar:
        task = bar.add_task(config.name, total=None, status="")

        def show(what: str, done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, status=what)

        found = measure_faithfulness(network, info(config.variant).patch_source, images, protocol, show)
    if not found["mosaics"] and not few:
        console.print(
            f"{config.name}: skipped the pointing game, which needs correctly classified images of {QUADRANTS} "
            "classes; increase --images"
        )
    return found
