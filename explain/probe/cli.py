"""The command `zoo probe`."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from explain.extras import require_explaining
from zoo.errors import InputError
from zoo.options import Data, ModelArgument
from zoo.package.metrics import HELD_OUT_FIRST, ONNX

MIN_RECORDED = 5000
"""Images that a recorded probe is of at least, where the split has so many."""

if TYPE_CHECKING:
    from rich.table import Table

    from zoo.package.probe import Probe


def probe(
    model: ModelArgument,
    data: Data = "cifar10",
    split: Annotated[
        str | None,
        typer.Option(help="Split to measure on.", show_default=", else ".join(HELD_OUT_FIRST)),
    ] = None,
    through: Annotated[str, typer.Option(help=f"What answers: torch, {', '.join(ONNX)}.")] = "torch",
    images: Annotated[
        int | None, typer.Option(min=2, help="Number of images, chosen at random.", show_default="all")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of every random choice.")] = 0,
    record: Annotated[bool, typer.Option("--record", help="Write the result into the model directory.")] = False,
) -> None:
    """Measure whether a network uses its semantic block: what its answers become when the assignment is replaced."""
    require_explaining()
    from explain.probe import measure as probing
    from explain.probe.onnx import OnnxAnswers
    from training.data.model_split import ModelData
    from training.data.pictures import data_set_name
    from training.progress import progress_bar
    from zoo.extras import require
    from zoo.files import sha256
    from zoo.hub import open_model
    from zoo.package.card import write_card
    from zoo.package.probe import write_probe
    from zoo.predictors.torch import TorchPredictor
    from zoo.registry import info
    from zoo.terminal import Terminal

    package = open_model(model)
    config = package.config
    if not info(config.variant).has_block:
        raise InputError(f"{config.variant} has no semantic block that could be used; choose an -ours variant")
    if through != "torch" and through not in ONNX:
        raise InputError(f"through = {through!r}: it is torch or {', '.join(ONNX)}")
    if record and data_set_name(data) != config.data:
        raise InputError(f"--record is for images of {config.data}, the model's own data set")
    if record and images is not None and images < MIN_RECORDED:
        raise InputError(f"--record with --images {images}: it takes at least {MIN_RECORDED:,}, or all of the split")
    images_of = ModelData(package, data)
    split = images_of.choose(split, prefer_held_out=True)
    loaded = images_of.load(split, images, seed)
    console = Terminal()
    for note in images_of.notes:
        console.print(note)
    answers: probing.Answers
    if through in ONNX:
        require("onnx", "onnxruntime", extra="export")
        file = package.onnx(ONNX[through])
        if file is None:
            raise InputError(f"{package.path} has no {ONNX[through]} ONNX file; write it with `zoo export`")
        answers, digest = OnnxAnswers.open(file), sha256(file)
    else:
        network = TorchPredictor.open(package).network
        answers, digest = probing.TorchAnswers(network), config.weights_sha256
    origin = probing.Origin(data_set_name(data), split, seed, digest)
    with progress_bar() as progress:
        task = progress.add_task(
            f"{config.name} through {through}", total=probing.PASSES * len(loaded.labels), status=""
        )
        found = probing.probe(
            answers,
            loaded,
            origin,
            shares_sum_to_1=config.assignment != "bn_relu",
            progress=lambda done: progress.update(task, completed=done),
        )
    if through == "torch":
        found = replace(
            found,
            strength=probing.strength(network, loaded),
            cosine_to_start=probing.cosine_to_start(package, network),
        )
    if record:
        write_probe(package, through, found)
        write_card(package)
    console.print(_table(config.name, through, found))
    console.print(_maps(found))
    console.print(found.verdict)


def _table(name: str, through: str, found: "Probe") -> "Table":
    from rich.table import Table

    from zoo.package.probe import INTERVENTIONS

    table = Table(title=f"{name} through {through}: {found.images:,} {found.split} images of {found.data}")
    for heading in ("assignment", "accuracy, %", "difference, points", "answers changed, %"):
        table.add_column(heading, justify="left" if heading == "assignment" else "right")
    table.add_row("the block's own", f"{found.accuracy:.2f}", "", "")
    for intervention, text in INTERVENTIONS.items():
        effect = found.effects[intervention]
        (value, low, high), (changed, least, most) = effect.difference, effect.changed
        table.add_row(
            text,
            f"{effect.accuracy:.2f}",
            f"{value:+.2f} [{low:+.2f}, {high:+.2f}]",
            f"{changed:.2f} [{least:.2f}, {most:.2f}]",
        )
    return table


def _maps(found: "Probe") -> str:
    """What is known beside the table, a line each."""
    none = found.none
    lines = [
        f"`none`: from {none['lowest']:.3f} to {none['highest']:.3f}, median {none['median']:.3f}, "
        f"mean {none['mean']:.3f}",
        f"variance of the assignment between images: {100 * found.between_images:.0f}%; images with one class on all "
        f"patches: {found.one_class:.1f}%",
    ]
    if found.strength is not None:
        lines.append(f"mixture: {found.strength:.2f} times as strong as the features it joins")
    if found.cosine_to_start is not None:
        lines.append(f"class vectors: cosine {found.cosine_to_start:.3f} to their random start")
    return "\n".join(lines)
