"""The command-line program `zoo`: what needs only the zoo; the other packages add their own commands."""

import importlib.metadata
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from zoo.errors import MissingDependencyError, ZooError, reason_of
from zoo.hub import DEFAULT_MODEL
from zoo.hub.cli import publish
from zoo.options import AsJson, Image, Images, Model, TopK, path_option

if TYPE_CHECKING:
    from zoo.package import Package
    from zoo.predictors import Prediction

_broken: dict[str, str] = {}
"""Packages whose commands could not be added, and why."""


class Commands(TyperGroup):
    """The program's commands; those of a package that cannot be imported fail when they are used, and no others."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for package, reason in _broken.items():
            # A package says itself what its commands are called.
            anything = {"ignore_unknown_options": True, "allow_extra_args": True}
            help_ = f"(not available, as the package cannot be imported: {reason})"
            self.add_command(TyperCommand(package, callback=_refuse_broken, context_settings=anything, help=help_))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if _broken and self.get_command(ctx, args[0]) is None:
            _refuse_broken(args[0])
        return super().resolve_command(ctx, args)


def _refuse_broken(command: str = "") -> None:
    reasons = "; ".join(f"{package} ({reason})" for package, reason in _broken.items())
    there = f"there is no command {command!r}, and those" if command else "the commands"
    raise MissingDependencyError(
        f"{there} of these packages are missing, as they cannot be imported: {reasons}; install template-zoo again"
    )


app = typer.Typer(
    cls=Commands,
    name="zoo",
    help="Small image classifiers that show what each patch of an image looks like.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(publish)

BATCH = 64
"""Images computed together."""


def _open(model: str) -> "Package":
    """A model directory with what answers here: an ONNX file, or the weights where there is none."""
    from zoo.hub import open_model
    from zoo.package import WEIGHTS_FILE, serving_files

    return open_model(model, (WEIGHTS_FILE, *serving_files(["fp32"])))


@app.command("list")
def list_(pattern: Annotated[str, typer.Argument(help="Shell-style pattern of names.")] = "*") -> None:
    """The variants, and the models whose weights are here or on the Hub."""
    from rich.table import Table

    from zoo.hub import has_onnx, local_models, released_models
    from zoo.registry import info, list_models
    from zoo.terminal import Terminal

    table = Table("name", "mechanism", title="Variants; C classes, multiply-adds at 32x32")
    table.add_column("weights", justify="right", no_wrap=True)
    table.add_column("multiply-adds", justify="right")
    names = list_models(pattern)
    for name in names:
        variant = info(name)
        weights = f"{variant.fixed_parameters:,} + {variant.parameters_per_class:,} C"
        table.add_row(name, variant.mechanism, weights, f"{variant.multiply_adds / 1e6:.1f} M")
    Terminal(folded=True).print(table)
    places = {"here": local_models(), "on the Hub": released_models()}
    for place, models in places.items():
        shown = [model for model in models if model.partition(".")[0] in names]
        Terminal().print(f"models {place}: {', '.join(shown) or 'none'}")
    lacking = [name for name in local_models() if name.partition(".")[0] in names and not has_onnx(name)]
    if lacking:
        Terminal().print(
            f"without an ONNX file: {', '.join(lacking)}; they need PyTorch, and cannot be served before `zoo export "
            "NAME` has written it"
        )


@app.command("info")
def info_(name: Annotated[str, typer.Argument(help="A variant or a model.", show_default=False)]) -> None:
    """The facts about a variant, or about a model and how it was trained, as JSON."""
    from dataclasses import asdict, fields

    from zoo.hub import open_model, reference_of
    from zoo.registry import info, list_models
    from zoo.terminal import print_json

    if name in list_models():
        variant = info(name)
        facts = {item.name: getattr(variant, item.name) for item in fields(variant)}
        facts["paper_accuracy"] = dict(variant.paper_accuracy)
    else:
        package = open_model(name)
        facts = {"name": package.config.name, "path": str(package.path)} | asdict(package.config)
        facts |= {"parameters": info(package.config.variant).parameters(len(package.config.classes))}
        facts |= {"onnx": package.precisions or f"none: `zoo export {reference_of(package)}` writes it, for the server"}
        facts |= {"metrics": package.metrics(), "parity": package.parity()}
    print_json(facts)


@app.command()
def classify(
    images: Images,
    model: Model = DEFAULT_MODEL,
    top_k: TopK = None,
    as_json: AsJson = False,
) -> None:
    """The most probable classes of images."""
    from rich.table import Table

    from zoo.answers import resolve_top_k, top_classes
    from zoo.terminal import Terminal, print_json

    package = _open(model)
    config = package.config
    top_k = resolve_top_k(top_k, config.classes)
    seen, prediction = _predict(map(_read, images), package)
    answers = [top_classes(logits, config.classes, top_k) for logits in prediction.logits]
    if as_json:
        results = [
            description | {"classes": [share._asdict() for share in answer]}
            for description, answer in zip(seen, answers, strict=True)
        ]
        return print_json({"model": config.identity(), "results": results})
    table = Table("image", "class", "probability", title=config.name)
    for file, answer in zip(images, answers, strict=True):
        for rank, share in enumerate(answer):
            table.add_row("" if rank else str(file), share.label, f"{share.probability:.1%}")
        table.add_section()
    return Terminal(folded=True).print(table)


@app.command()
def patches(
    image: Image,
    output: Annotated[
        Path,
        path_option("-o", "--output", help="Where the map goes: a .png image, an .npy array, or .json."),
    ],
    model: Model = DEFAULT_MODEL,
    top_k: TopK = None,
) -> None:
    """What each patch of an image looks like: a map over the image, an array [C + 1, h, w], or JSON."""
    from zoo.answers import map_answers, patch_answers, patch_shares, resolve_top_k
    from zoo.errors import InputError
    from zoo.files import array_bytes, check_output, json_text, png_bytes, write_output
    from zoo.images.decode import decode
    from zoo.images.preprocess import Box
    from zoo.package.entities import Entities
    from zoo.registry import info
    from zoo.semantic_map import draw_semantic_map
    from zoo.terminal import Terminal

    kind = output.suffix.lower()
    if kind not in (".png", ".npy", ".json"):
        raise InputError(f"-o {output}: the name must end in .png (an image), .npy (an array) or .json")
    check_output(output, [image])
    package = _open(model)
    config = package.config
    top_k = resolve_top_k(top_k, config.classes)
    content = _read(image)
    [seen], prediction = _predict([content], package)
    shares = patch_shares(prediction)[0]
    rows, columns = shares.shape[1:]
    if kind == ".npy":
        data = array_bytes(shares)
    elif kind == ".png":
        decoded = decode(content[1])
        data = png_bytes(draw_semantic_map(decoded, shares, Box(*seen["box"]), config.classes, config.name))
    else:
        grid = {"grid": {"rows": rows, "columns": columns}, "source": info(config.variant).patch_source}
        values = patch_answers(shares, config.classes, top_k, Entities.read(package))
        maps = map_answers(prediction, 0, config.classes)
        result = seen | grid | {"patches": values} | ({"maps": maps} if maps else {})
        answer = {"model": config.identity(), "results": [result]}
        data = json_text(answer).encode()
    write_output(output, data)
    Terminal().print(f"{output}: {rows} x {columns} patches of {image}, {config.name}")


def _read(file: Path) -> tuple[Path, bytes]:
    """A file with its content: read once, since a pipe can be read no more often."""
    from zoo.files import read_bounded
    from zoo.images.decode import naming

    with naming(file):
        return file, read_bounded(file)


def _predict(files: Iterable[tuple[Path, bytes]], package: "Package") -> "tuple[list[dict[str, Any]], Prediction]":
    """For each image file, what the network sees of it, and the model's prediction for all."""
    import numpy as np

    from zoo.images.decode import decode_pixels, naming
    from zoo.predictors import predict_in_parts
    from zoo.predictors.open_predictor import open_predictor

    seen, pixels = [], []
    for file, data in files:
        with naming(file):
            square = decode_pixels(data, package.config.input_size)
        pixels.append(square.pixels)
        size = {"width": square.width, "height": square.height}
        seen.append({"file": str(file), "image": size, "box": list(square.box)})
    return seen, predict_in_parts(open_predictor(package), np.stack(pixels), BATCH)


def _add_commands() -> None:
    entry_points = importlib.metadata.entry_points(group="zoo.commands")
    _search_last({entry_point.module.partition(".")[0] for entry_point in entry_points})
    _broken.clear()
    for entry_point in entry_points:
        try:
            entry_point.load()(app)
        except (Exception, SystemExit) as error:  # whatever is wrong with one package, the others work
            _broken[entry_point.name] = f"{type(error).__name__}: {error}"


def _search_last(packages: Iterable[str]) -> None:
    """Search folders last, such as those of PYTHONPATH, whose files would hide packages that lie beside this one."""
    own = Path(__file__).resolve().parents[1]
    names = [
        name for package in packages if (own / package).is_dir() for name in (f"{package}.py", f"{package}/__init__.py")
    ]
    # For good: the processes that this one starts search in the same order.
    sys.path[:] = sorted(
        sys.path,
        key=lambda entry: Path(entry).resolve() != own and any((Path(entry) / name).is_file() for name in names),
    )


def main() -> None:
    """Run the program; an error raised on purpose, or by the system, ends it with its message and exit status 1."""
    from zoo.terminal import discard_unwritten, escape_unencodable, print_error

    escape_unencodable()
    _add_commands()
    try:
        try:
            app()
        finally:
            if sys.stdout:
                sys.stdout.flush()
    except ZooError as error:
        message = str(error)
    except BrokenPipeError:
        message = ""  # whoever read has seen enough
    except OSError as error:
        where = "cannot read or write" if error.filename is None else error.filename
        message = f"{where}: {reason_of(error)}"
    with suppress(OSError):
        if message:
            print_error(message)
    discard_unwritten()
    sys.exit(1)
