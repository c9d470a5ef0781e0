"""One model's measurement, from its directory to its record, under a progress bar."""

from typing import Any

from explain.faithfulness.measure import Protocol, measure
from explain.faithfulness.pointing import QUADRANTS
from training.data.model_split import ModelData
from zoo.package import Package
from zoo.predictors.torch import TorchPredictor
from zoo.registry import info
from zoo.terminal import Terminal, progress_bar


def measure_package(package: Package, data: ModelData, split: str, protocol: Protocol) -> dict[str, Any]:
    """Measure a model on a split of a data set; see `explain.faithfulness.measure.measure`.

    Raises:
        DataError: there is no such split.
        PackageError: the weights are not there.
    """
    config = package.config
    console = Terminal(stderr=True)
    if few := len(config.classes) < QUADRANTS:
        console.print(
            f"{config.name}: no pointing game, only curves: it needs {QUADRANTS} classes, and the model has "
            f"{len(config.classes)}"
        )
    images = data.load(split, protocol.images, protocol.seed)
    network = TorchPredictor.open(package).network
    with progress_bar() as bar:
        task = bar.add_task(config.name, total=None, status="")

        def show(what: str, done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, status=what)

        found = measure(network, info(config.variant).patch_source, images, protocol, show)
    if not found["mosaics"] and not few:
        console.print(
            f"{config.name}: no pointing game, only curves: it needs images of {QUADRANTS} classes that are classified "
            "correctly; take more --images"
        )
    return found
