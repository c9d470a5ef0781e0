"""The command-line program `zoo`: what needs only the zoo; the other packages add their own commands."""

import importlib.metadata
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.errors import ZooError
from zoo.hub import DEFAULT_MODEL
from zoo.publish_cli import publish

if TYPE_CHECKING:
    from zoo.package import Package
    from zoo.predictor import Prediction

app = typer.Typer(
    name="zoo",
    help="Small image classifiers that show what each patch of a picture looks like.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(publish)

Images = Annotated[list[Path], typer.Argument(help="Picture files.", show_default=False)]
Model = Annotated[
    str,
    typer.Option("--model", "-m", help="VARIANT, VARIANT.DATA, local-dir:PATH or hf-hub:ORG/NAME@REVISION."),
]

TopK = Annotated[int | None, typer.Option(help="Classes to show for each picture or patch.", show_default="5")]

BATCH = 64
"""Pictures computed together."""


def _open(model: str) -> "Package":
    """A model directory with what answers here: an ONNX file, or the weights where there is none."""
    from zoo.hub import open_model
    from zoo.package import WEIGHTS_FILE, serving_files

    return open_model(model, (WEIGHTS_FILE, *serving_files(["fp32"])))


@app.command("list")
def list_(pattern: Annotated[str, typer.Argument(help="Shell-style pattern of names.")] = "*") -> None:
    """The variants, and the models whose weights are here or on the Hub."""
    from rich.console import Console
    from rich.table import Table

    from zoo.hub import local_models, released_models
    from zoo.registry import info, list_models

    table = Table("name", "mechanism", title="Variants; C classes, multiply-adds at 32x32")
    table.add_column("weights", justify="right", no_wrap=True)
    table.add_column("multiply-adds", justify="right")
    names = list_models(pattern)
    for name in names:
        variant = info(name)
        weights = f"{variant.fixed_parameters:,} + {variant.parameters_per_class:,} C"
        table.add_row(name, variant.mechanism, weights, f"{variant.multiply_adds / 1e6:.1f} M")
    console = Console()
    console.print(table)
    places = {"here": local_models(), "on the Hub": released_models()}
    for place, models in places.items():
        shown = [model for model in models if model.partition(".")[0] in names]
        console.print(f"models {place}: {', '.join(shown) or 'none'}")


@app.command("info")
def info_(name: Annotated[str, typer.Argument(help="A variant or a model.", show_default=False)]) -> None:
    """The facts about a variant, or about a model and how it was trained, as JSON."""
    from dataclasses import asdict, fields

    from zoo.hub import open_model
    from zoo.registry import info, list_models

    if name in list_models():
        variant = info(name)
        facts = {item.name: getattr(variant, item.name) for item in fields(variant)}
        facts["paper_accuracy"] = dict(variant.paper_accuracy)
    else:
        package = open_model(name)
        facts = {"name": package.config.name, "path": str(package.path)} | asdict(package.config)
        facts |= {"parameters": info(package.config.variant).parameters(len(package.config.classes))}
        facts |= {"metrics": package.metrics(), "parity": package.parity()}
    _print_json(facts)


@app.command()
def classify(
    images: Images,
    model: Model = DEFAULT_MODEL,
    top_k: TopK = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """The most probable classes of pictures."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from zoo.answers import resolve_top_k, top_classes

    package = _open(model)
    config = package.config
    top_k = resolve_top_k(top_k, config.classes)
    seen, prediction = _predict(images, package)
    answers = [top_classes(logits, config.classes, top_k) for logits in prediction.logits]
    if as_json:
        results = [
            description | {"classes": [share._asdict() for share in answer]}
            for description, answer in zip(seen, answers, strict=True)
        ]
        return _print_json({"model": config.identity(), "results": results})
    table = Table("picture", "class", "probability", title=config.name)
    for file, answer in zip(images, answers, strict=True):
        for rank, share in enumerate(answer):
            table.add_row(Text("" if rank else str(file)), Text(share.label), f"{share.probability:.1%}")
        table.add_section()
    return Console().print(table)


@app.command()
def patches(
    image: Annotated[Path, typer.Argument(help="A picture file.", show_default=False)],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", help="Where the map goes: a .png picture, an .npy array, or .json."),
    ],
    model: Model = DEFAULT_MODEL,
    top_k: TopK = None,
) -> None:
    """What each patch of a picture looks like: a map over the picture, an array [C + 1, h, w], or JSON."""
    import numpy as np
    from rich.console import Console

    from zoo.answers import patch_answers, patch_shares, resolve_top_k
    from zoo.decode import decode
    from zoo.entities import Entities
    from zoo.errors import InputError
    from zoo.package import json_text
    from zoo.picture import draw_semantic_map
    from zoo.preprocess import Box
    from zoo.registry import info

    kind = output.suffix.lower()
    if kind not in (".png", ".npy", ".json"):
        raise InputError(f"-o {output}: the name must end in .png (a picture), .npy (an array) or .json")
    package = _open(model)
    config = package.config
    top_k = resolve_top_k(top_k, config.classes)
    [seen], prediction = _predict([image], package)
    shares = patch_shares(prediction)[0]
    rows, columns = shares.shape[1:]
    try:
        if kind == ".npy":
            np.save(output, shares)
        elif kind == ".png":
            picture = decode(image.read_bytes())
            draw_semantic_map(picture, shares, Box(*seen["box"]), config.classes, config.name).save(output)
        else:
            grid = {"grid": {"rows": rows, "columns": columns}, "source": info(config.variant).patch_source}
            values = patch_answers(shares, config.classes, top_k, Entities.read(package))
            answer = {"model": config.identity(), "results": [seen | grid | {"patches": values}]}
            output.write_text(json_text(answer))
    except OSError as error:
        raise InputError(f"cannot write {output}: {error.strerror or error}") from None
    done = f"{output}: {rows} x {columns} patches of {image}, {config.name}"
    Console(soft_wrap=True).print(done, markup=False, emoji=False)


def _predict(files: Iterable[Path], package: "Package") -> "tuple[list[dict[str, Any]], Prediction]":
    """For each picture, what the network sees of it, and the model's prediction for all."""
    import numpy as np

    from zoo.decode import read_pixels
    from zoo.open_predictor import open_predictor
    from zoo.predictor import predict_in_parts

    seen, pixels = [], []
    for file in files:
        square = read_pixels(file, package.config.input_size)
        pixels.append(square.pixels)
        size = {"width": square.width, "height": square.height}
        seen.append({"file": str(file), "picture": size, "box": list(square.box)})
    return seen, predict_in_parts(open_predictor(package), np.stack(pixels), BATCH)


def _print_json(value: Any) -> None:
    from zoo.package import json_text

    sys.stdout.write(json_text(value))


def _add_commands() -> None:
    for entry_point in importlib.metadata.entry_points(group="zoo.commands"):
        entry_point.load()(app)


def main() -> None:
    """Run the program; an error raised on purpose ends it with its message and exit status 1."""
    _add_commands()
    try:
        app()
    except ZooError as error:
        from rich.console import Console
        from rich.text import Text

        Console(stderr=True, soft_wrap=True).print(Text.assemble(("error: ", "bold red"), str(error)))
        sys.exit(1)
