"""The command-line program `zoo` and its own commands; other packages add theirs through entry points."""

import importlib.metadata
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from zoo.classify.cli import classify
from zoo.embed.cli import embed
from zoo.errors import InputError, MissingDependencyError, ZooError, reason_of
from zoo.help import WIDTH, WORDS, Command, Program, write_definitions, write_options
from zoo.hub import DEFAULT_MODEL
from zoo.hub.cli import publish
from zoo.options import Image, Model, path_option
from zoo.search.cli import add_commands as add_search_commands

_broken: dict[str, str] = {}
"""Packages whose commands could not be added, with the reason."""

_ORDER = ("training", "export", "serve", "explain", "reproduction")
"""Order of the packages in the help; others follow."""


class Commands(TyperGroup):
    """Commands of the program; if a package cannot be imported, only its own commands fail, and only when used."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for package, reason in _broken.items():
            # The names of its commands are unknown, as only the package itself defines them.
            anything = {"ignore_unknown_options": True, "allow_extra_args": True}
            help_ = f"(unavailable, as the package cannot be imported: {reason})"
            self.add_command(Command(package, callback=_refuse_broken, context_settings=anything, help=help_))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if _broken and self.get_command(ctx, args[0]) is None:
            _refuse_broken(args[0])
        return super().resolve_command(ctx, args)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write options, commands with their whole first sentences, and the words that all of them use."""
        write_options(self, ctx, formatter)
        sentences = ((name, (command.help or "").partition("\n\n")[0]) for name, command in self.commands.items())
        write_definitions(formatter, "Commands", sentences)
        write_definitions(formatter, "Words in the help of commands", WORDS.items())


def _refuse_broken(command: str = "") -> None:
    reasons = "; ".join(f"{package} ({reason})" for package, reason in _broken.items())
    unknown = f"unknown command {command!r}; the" if command else "the"
    raise MissingDependencyError(
        f"{unknown} commands of these packages are unavailable, as they cannot be imported: {reasons}; reinstall "
        "template-zoo"
    )


app = Program(
    cls=Commands,
    name="zoo",
    no_args_is_help=True,
    rich_markup_mode=None,  # its tables shorten names at the usual width of terminals
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": WIDTH},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(importlib.metadata.version("template-zoo"))
        raise typer.Exit


@app.callback()
def program(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Small image classifiers that also say which class each patch of an image resembles."""


@app.command("list")
def list_(
    pattern: Annotated[str, typer.Argument(help="Shell-style pattern of variant names, such as 'wrn16*'.")] = "*",
) -> None:
    """List the variants, and their models available locally or on the Hub.

    Models available locally are in the folder $ZOO_WEIGHTS or in weights/ of a clone. Those on the Hub were released
    with this version, and are downloaded on first use.
    """
    from rich.table import Table

    from zoo.hub import has_onnx, local_models, released_models
    from zoo.registry import info, list_models
    from zoo.terminal import Terminal

    table = Table("name", "mechanism", title="Variants (C classes; multiply-adds at 32x32)")
    table.add_column("parameters", justify="right", no_wrap=True)
    table.add_column("multiply-adds", justify="right")
    table.add_column("paper")
    names = list_models(pattern)
    if not names:
        raise InputError(f"no variant matches {pattern!r}; try {pattern + '*'!r}, or no pattern for all")
    for name in names:
        variant = info(name)
        parameters = f"{variant.fixed_parameters:,} + {variant.parameters_per_class:,} C"
        table.add_row(name, variant.mechanism, parameters, f"{variant.multiply_adds / 1e6:.1f} M", variant.origin)
    Terminal(folded=True).print(table)
    places = {"available locally": local_models(), "on the Hub": released_models()}
    for place, models in places.items():
        shown = [model for model in models if model.partition(".")[0] in names]
        Terminal().print(f"models {place}: {', '.join(shown) or 'none'}")
    lacking = [name for name in local_models() if name.partition(".")[0] in names and not has_onnx(name)]
    if lacking:
        Terminal().print(
            f"without an ONNX file: {', '.join(lacking)}; these need PyTorch, and can be served only after `zoo export "
            "NAME`"
        )


@app.command("info")
def info_(
    name: Annotated[
        str,
        typer.Argument(
            help="VARIANT for the variant itself, without a model; for a model VARIANT.DATA, local-dir:PATH or "
            "hf-hub:ORG/NAME@REVISION, see `zoo --help`.",
            show_default=False,
        ),
    ],
) -> None:
    """Show facts about a variant, or about a model and its training, as JSON."""
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
        config = package.config
        facts = {"name": config.name, "path": str(package.path)} | asdict(config)
        facts |= {"parameters": config.parameters}
        facts |= {"onnx": package.precisions or f"none; the server needs one: `zoo export {reference_of(package)}`"}
        facts |= {"metrics": package.metrics(), "parity": package.parity()}
    print_json(facts)


app.command()(classify)
app.command()(embed)


@app.command()
def patches(
    image: Image,
    output: Annotated[
        Path,
        path_option("-o", "--output", help="Output file: .png (image), .npy (array) or .json."),
    ],
    model: Model = DEFAULT_MODEL,
    top_k: Annotated[
        int | None,
        typer.Option(
            help="Number of classes per patch in a .json file, from 1 to that of the model.",
            show_default="5, or all if there are fewer",
        ),
    ] = None,
) -> None:
    """Show which classes each patch of an image resembles, as an image, an array or JSON.

    The array [C + 1, h, w] has the share of each of the C classes, and last that of none of them, in each patch of the
    grid of h rows and w columns. A network without a semantic block has no share of none.
    """
    from zoo.answers import map_answers, patch_answers, patch_shares, resolve_top_k
    from zoo.classify.local import open_for_inference
    from zoo.files import array_bytes, check_output, json_text, png_bytes, read_bounded, write_output
    from zoo.images.decode import decode, decode_pixels, naming
    from zoo.package.entities import Entities
    from zoo.predictors.open_predictor import open_predictor
    from zoo.registry import info
    from zoo.semantic_map import draw_semantic_map
    from zoo.terminal import Terminal

    kind = output.suffix.lower()
    if kind not in (".png", ".npy", ".json"):
        raise InputError(f"-o {output}: the file name must end in .png (image), .npy (array) or .json")
    check_output(output, [image])
    package = open_for_inference(model)
    config = package.config
    top_k = resolve_top_k(top_k, config.classes)
    with naming(image):
        content = read_bounded(image)
        square = decode_pixels(content, config.input_size)
    prediction = open_predictor(package)(square.pixels[None])
    shares = patch_shares(prediction)[0]
    rows, columns = shares.shape[1:]
    if kind == ".npy":
        data = array_bytes(shares)
    elif kind == ".png":
        data = png_bytes(draw_semantic_map(decode(content), shares, square.box, config.classes, config.name))
    else:
        seen = {"file": str(image), "image": {"width": square.width, "height": square.height}, "box": list(square.box)}
        grid = {"grid": {"rows": rows, "columns": columns}, "source": info(config.variant).patch_source}
        values = patch_answers(shares, config.classes, top_k, Entities.read(package))
        maps = map_answers(prediction, 0, config.classes)
        result = seen | grid | {"patches": values} | ({"maps": maps} if maps else {})
        answer = {"model": config.identity(), "results": [result]}
        data = json_text(answer).encode()
    write_output(output, data)
    Terminal().print(f"{output}: {rows} x {columns} patches of {image}, {config.name}")


add_search_commands(app)
app.command()(publish)


def _add_commands() -> None:
    found = importlib.metadata.entry_points(group="zoo.commands")
    entry_points = sorted(found, key=lambda one: (*_ORDER, one.name).index(one.name))
    _search_last({entry_point.module.partition(".")[0] for entry_point in entry_points})
    _broken.clear()
    for entry_point in entry_points:
        try:
            entry_point.load()(app)
        except (Exception, SystemExit) as error:  # a failing package must not disable the others
            _broken[entry_point.name] = f"{type(error).__name__}: {error}"


def _search_last(packages: Iterable[str]) -> None:
    """Move entries of `sys.path` (from PYTHONPATH, say) that would shadow the packages beside this one to its end."""
    own = Path(__file__).resolve().parents[1]
    names = [
        name for package in packages if (own / package).is_dir() for name in (f"{package}.py", f"{package}/__init__.py")
    ]
    # Permanently, so that spawned processes inherit the order.
    sys.path[:] = sorted(
        sys.path,
        key=lambda entry: Path(entry).resolve() != own and any((Path(entry) / name).is_file() for name in names),
    )


def main() -> None:
    """Run the program; a `ZooError` or an `OSError` ends it with a message and exit status 1."""
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
        message = ""  # the reader, such as `head`, has closed the pipe
    except OSError as error:
        where = "" if error.filename is None else f" {error.filename}"
        message = f"cannot read or write{where}: {reason_of(error)}"
    with suppress(OSError):
        if message:
            print_error(message)
    discard_unwritten()
    sys.exit(1)
