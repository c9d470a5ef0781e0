"""The command-line program `zoo`: what needs only the zoo; the other packages add their own commands."""

import importlib.metadata
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from zoo.errors import ZooError
from zoo.hub import DEFAULT_MODEL

app = typer.Typer(
    name="zoo",
    help="Small image classifiers that show what each patch of a picture looks like.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Images = Annotated[list[Path], typer.Argument(help="Picture files.", show_default=False)]
Model = Annotated[
    str,
    typer.Option("--model", "-m", help="VARIANT, VARIANT.DATA, local-dir:PATH or hf-hub:ORG/NAME@REVISION."),
]


@app.command("list")
def list_(pattern: Annotated[str, typer.Argument(help="Shell-style pattern of names.")] = "*") -> None:
    """The variants, and the models whose weights are here."""
    from rich.console import Console
    from rich.table import Table

    from zoo.hub import local_models
    from zoo.registry import info, list_models

    table = Table("name", "mechanism", title="Variants; C classes, multiply-adds at 32x32")
    table.add_column("weights", justify="right", no_wrap=True)
    table.add_column("multiply-adds", justify="right")
    for name in list_models(pattern):
        variant = info(name)
        weights = f"{variant.fixed_parameters:,} + {variant.parameters_per_class:,} C"
        table.add_row(name, variant.mechanism, weights, f"{variant.multiply_adds / 1e6:.1f} M")
    console = Console()
    console.print(table)
    console.print(f"models here: {', '.join(local_models()) or 'none'}")


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
    top_k: Annotated[int | None, typer.Option(help="Classes to show for each picture. [default: 5]")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """The most probable classes of pictures."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from zoo.answers import resolve_top_k, top_classes
    from zoo.hub import open_model

    package = open_model(model)
    classes = package.config.classes
    top_k = resolve_top_k(top_k, classes)
    _, prediction = _predict(images, package)
    answers = [top_classes(logits, classes, top_k) for logits in prediction.logits]
    if as_json:
        results = [
            {"file": str(file), "classes": [share._asdict() for share in answer]}
            for file, answer in zip(images, answers, strict=True)
        ]
        return _print_json({"model": package.config.name, "results": results})
    table = Table("picture", "class", "probability", title=package.config.name)
    for file, answer in zip(images, answers, strict=True):
        for rank, share in enumerate(answer):
            table.add_row(Text("" if rank else str(file)), Text(share.label), f"{share.probability:.1%}")
        table.add_section()
    return Console().print(table)


@app.command()
def patches(
    image: Annotated[Path, typer.Argument(help="A picture file.", show_default=False)],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Where the map goes: a .png picture, or an .npy array.")
    ],
    model: Model = DEFAULT_MODEL,
) -> None:
    """What each patch of a picture looks like: the semantic map as a picture, or as an array [C + 1, h, w]."""
    import numpy as np
    from rich.console import Console

    from zoo.answers import patch_shares
    from zoo.errors import InputError
    from zoo.hub import open_model
    from zoo.picture import draw_semantic_map
    from zoo.preprocess import centre_square

    if output.suffix not in (".png", ".npy"):
        raise InputError(f"-o {output}: the name must end in .png (a picture) or .npy (an array)")
    package = open_model(model)
    [picture], prediction = _predict([image], package)
    shares = patch_shares(prediction)[0]
    try:
        if output.suffix == ".npy":
            np.save(output, shares)
        else:
            box = centre_square(*picture.size)
            draw_semantic_map(picture, shares, box, package.config.classes, package.config.name).save(output)
    except OSError as error:
        raise InputError(f"cannot write {output}: {error.strerror or error}") from None
    rows, columns = shares.shape[1:]
    done = f"{output}: {rows} x {columns} patches of {image}, {package.config.name}"
    Console(soft_wrap=True).print(done, markup=False, emoji=False)


def _predict(files: list[Path], package: Any) -> Any:
    """Decoded pictures and the model's prediction for them."""
    import numpy as np

    from zoo.decode import decode
    from zoo.errors import ImageError
    from zoo.open_predictor import open_predictor
    from zoo.preprocess import to_pixels

    pictures = []
    for file in files:
        try:
            pictures.append(decode(file.read_bytes()))
        except (OSError, ImageError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise ImageError(f"{file}: {reason}") from None
    pixels = np.stack([to_pixels(picture, package.config.input_size)[0] for picture in pictures])
    return pictures, open_predictor(package)(pixels)


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


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
