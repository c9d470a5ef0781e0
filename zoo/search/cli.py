"""The commands `zoo index`, `zoo search` and `zoo duplicates`."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from zoo.hub import DEFAULT_MODEL
from zoo.options import AsJson, Model, Unreadable, data_option, model_option, parse_data, path_option

if TYPE_CHECKING:
    from zoo.classify.answers import Failure
    from zoo.cutouts import Place
    from zoo.package import ModelConfig
    from zoo.predictors import Predictor
    from zoo.search.image_index import ImageIndex, Kind
    from zoo.search.image_set import ImageSet
    from zoo.search.sheet import Strip

_IMAGES = "Image files, folders of images with all folders below them, and http and https URLs"

Images = Annotated[
    list[str] | None, typer.Argument(parser=parse_data, metavar="IMAGES...", help=f"{_IMAGES}.", show_default=False)
]
Queries = Annotated[
    list[str],
    typer.Argument(
        parser=parse_data,
        metavar="IMAGES...",
        help=f"{_IMAGES}, or - for an image on standard input.",
        show_default=False,
    ),
]
DataSet = Annotated[
    str | None, data_option(help="Data set in place of IMAGES, as for `zoo train`; its classes are also indexed.")
]
Split = Annotated[str | None, typer.Option(help="Split of --data.", show_default="test")]
IndexOption = Annotated[Path, path_option("--index", "-i", help="Folder of the index.", show_default=False)]
Html = Annotated[Path | None, path_option(help="Write a contact sheet as an HTML page, in a single file.")]
Png = Annotated[Path | None, path_option(help="Write a contact sheet as a PNG image.")]


def index(
    images: Images = None,
    data: DataSet = None,
    split: Split = None,
    model: Model = DEFAULT_MODEL,
    output: Annotated[
        Path, path_option("-o", "--output", help="Folder for the index; an index that it has is replaced.")
    ] = Path("index"),
    patches: Annotated[
        bool,
        typer.Option(
            "--patches", help="Index the patches of -ours models by their assignment, for `zoo search --patch`."
        ),
    ] = False,
    unreadable: Unreadable = "skip",
) -> None:
    """Index images by their embeddings, for `zoo search`, `zoo duplicates` and `zoo serve --index`.

    The index holds the vectors, names and thumbnails of the images, and the digest of the model.
    """
    made, failures = _make(
        _image_set(images, data, split), model, output, "patches" if patches else "images", unreadable
    )
    from zoo.terminal import Terminal

    shape = " x ".join(map(str, made.header.shape[1:]))
    Terminal().print(f"{output}: {len(made):,} images, {shape} numbers each, {made.header.model}")
    _report(failures, len(made))


def search(
    images: Queries,
    index: IndexOption,
    model: Annotated[str | None, model_option(show_default="that of the index")] = None,
    count: Annotated[
        int | None,
        typer.Option("-k", "--count", help="Images to find, from 1 to those of the index.", show_default="10, or all"),
    ] = None,
    threshold: Annotated[float, typer.Option(help="Smallest cosine of what is found, from -1 to 1.")] = -1.0,
    patch: Annotated[
        str | None,
        typer.Option(
            help="ROW,COLUMN of a patch, from 0,0 at the top left, to find patches like it in an index of patches.",
            show_default=False,
        ),
    ] = None,
    html: Html = None,
    png: Png = None,
    as_json: AsJson = False,
) -> None:
    """Find the images of an index that are most like others, by the cosine of their embeddings.

    With --patch, find the patches that are most like a patch, at most one per image: those to which the model assigns
    similar shares of the classes.
    """
    from zoo.classify.sources import Sources
    from zoo.search.hits import check_count, check_threshold
    from zoo.search.image_index import ImageIndex
    from zoo.search.query import search as find
    from zoo.search.strips import search_strips
    from zoo.terminal import print_json

    check_threshold(threshold)
    place = None if patch is None else _place(patch)
    sources = Sources(tuple(images))
    _check_outputs((html, png), images)
    kind: Kind = "images" if place is None else "patches"
    predictor = _open(model or _model_of(index), kind)
    opened = ImageIndex.open(index, predictor.config, kind)
    found, failures = find(opened, predictor, sources, check_count(count, len(opened)), threshold, place)
    title = f"{opened.header.model}: what is like {len(found):,} image{'s' if len(found) > 1 else ''}"
    compared = "their embeddings" if place is None else "the assignments of their patches"
    about = f"nearest of {len(opened):,} images of {opened.header.source}, by the cosine of {compared}"
    _write_sheets(html, png, title, about, lambda: search_strips(opened, found, place))
    if as_json:
        results = [{"file": one.query.name, "nearest": [hit.to_json() for hit in one.hits]} for one in found]
        where = {} if place is None else {"patch": dict(zip(("row", "column"), place, strict=True))}
        print_json({"model": predictor.config.identity(), **where, "results": results})
    elif found:
        columns = ["image", *(["row", "column"] if place else []), "cosine"]
        rows = [
            (
                one.query.name if rank == 0 else "",
                hit.label or "",
                hit.name,
                *map(str, hit.place or ()),
                f"{hit.cosine:.4f}",
            )
            for one in found
            for rank, hit in enumerate(one.hits)
        ]
        _print_table(title, ["query", "class", *columns], rows)
    _report(failures, len(found))


def duplicates(
    images: Images = None,
    data: DataSet = None,
    split: Split = None,
    index: Annotated[
        Path | None, path_option("--index", "-i", help="Folder of an index in place of IMAGES and --data.")
    ] = None,
    model: Annotated[str | None, model_option(show_default=f"{DEFAULT_MODEL}, or that of the index")] = None,
    threshold: Annotated[float, typer.Option(help="Smallest cosine of two near-duplicates, from -1 to 1.")] = 0.997,
    html: Html = None,
    png: Png = None,
    as_json: AsJson = False,
    unreadable: Unreadable = "skip",
) -> None:
    """Find groups of images that are nearly the same, by the cosine of their embeddings.

    A group has the images that pairs with at least this cosine connect; two of them may be further apart.
    """
    from zoo.errors import InputError
    from zoo.search.duplicates import find_duplicates
    from zoo.search.hits import check_threshold
    from zoo.search.image_index import ImageIndex
    from zoo.search.strips import duplicate_strips
    from zoo.terminal import print_json, progress_bar

    check_threshold(threshold)
    if index is not None and (images or data):
        raise InputError(f"--index {index} has images of its own; give it, or IMAGES, or --data")
    _check_outputs((html, png), images or [])
    with TemporaryDirectory(prefix="zoo-index-") as temporary:
        failures: list[Failure] = []
        if index is None:
            made = Path(temporary) / "index"
            opened, failures = _make(
                _image_set(images, data, split), model or DEFAULT_MODEL, made, "images", unreadable
            )
        else:
            config = None if model is None else _config(model)
            opened = ImageIndex.open(index, config, "images")
        with progress_bar(stderr=True) as bar:
            task = bar.add_task("pairs", total=len(opened), status="")
            groups = find_duplicates(opened.vectors, threshold, lambda done: bar.update(task, completed=done))
        title = f"{opened.header.model}: {len(groups):,} group{'' if len(groups) == 1 else 's'} of near-duplicates"
        about = f"{len(opened):,} images of {opened.header.source}; cosine of at least {threshold:g}"
        _write_sheets(html, png, title, about, lambda: duplicate_strips(opened, groups))
        members = [
            [
                {"name": opened.names[image], "cosine": round(cosine, 6)}
                | ({} if (label := opened.label(image)) is None else {"label": label})
                for image, cosine in zip(group.images, group.cosines, strict=True)
            ]
            for group in groups
        ]
    if as_json:
        print_json({"model": opened.header.model, "threshold": threshold, "groups": members})
    else:
        _print_groups(f"{title}; {about}", members)
    _report(failures, len(opened))


def _print_groups(title: str, groups: "Sequence[Sequence[Mapping[str, Any]]]") -> None:
    rows = [
        (str(number) if rank == 0 else "", str(one.get("label", "")), str(one["name"]), f"{one['cosine']:.4f}")
        for number, group in enumerate(groups, start=1)
        for rank, one in enumerate(group)
    ]
    _print_table(title, ["group", "class", "image", "cosine"], rows)


def _image_set(images: Sequence[str] | None, data: str | None, split: str | None) -> "ImageSet":
    from zoo.errors import InputError
    from zoo.search.image_set import images_of_paths

    if bool(images) == bool(data):
        raise typer.BadParameter("give images or --data, and not both", param_hint="IMAGES")
    if data:
        from zoo.search.data_set import images_of_split

        return images_of_split(data, split)
    if split is not None:
        raise InputError(f"--split {split}: images without --data have no splits; give one of them")
    return images_of_paths(tuple(images or ()))


def _make(
    images: "ImageSet", model: str, folder: Path, kind: "Kind", unreadable: Literal["stop", "skip"]
) -> "tuple[ImageIndex, list[Failure]]":
    """Index images, with a progress bar."""
    from zoo.errors import InputError, reason_of
    from zoo.search.fill import index_images
    from zoo.terminal import progress_bar

    predictor = _open(model, kind)
    try:
        with progress_bar(stderr=True) as bar:
            task = bar.add_task("images", total=images.count, status="")

            def show(done: int, failed: int) -> None:
                bar.update(task, completed=done, status=f"{failed:,} unreadable" if failed else "")

            return index_images(folder, predictor, images, kind, unreadable, show)
    except OSError as error:
        raise InputError(f"cannot write the index {folder}: {reason_of(error)}") from None


def _model_of(index: Path) -> str:
    """Name of the model of an index, which does not say where a model of the user's own lies."""
    from zoo.errors import InputError
    from zoo.hub import local_models, released_models
    from zoo.hub.releases import chosen_organization
    from zoo.search.image_index import read_header

    name = read_header(index).model
    if not chosen_organization() and name not in {*local_models(), *released_models()}:
        raise InputError(
            f"{index} was made with {name}, which is not available by its name; give the model as for `zoo index`: "
            "--model local-dir:PATH or --model hf-hub:ORG/NAME@REVISION"
        )
    return name


def _open(model: str, kind: "Kind") -> "Predictor":
    from zoo.classify.local import open_for_inference
    from zoo.predictors.open_predictor import open_embedder, open_predictor

    package = open_for_inference(model)
    return open_embedder(package) if kind == "images" else open_predictor(package)


def _config(model: str) -> "ModelConfig":
    from zoo.hub import open_model
    from zoo.package import CONFIG_FILE

    return open_model(model, (CONFIG_FILE,)).config


def _place(text: str) -> "Place":
    from zoo.errors import InputError

    found = re.fullmatch(r"\s*(\d{1,4})\s*,\s*(\d{1,4})\s*", text)
    if not found:
        raise InputError(f"--patch {text}: must be ROW,COLUMN, such as 3,5, starting at 0,0 at the top left")
    return int(found[1]), int(found[2])


def _check_outputs(outputs: Sequence[Path | None], inputs: Sequence[str]) -> None:
    from zoo.errors import InputError
    from zoo.files import check_output

    for suffix, output in zip((".html", ".png"), outputs, strict=True):
        if output is not None:
            if output.suffix.lower() != suffix:
                raise InputError(f"--{suffix[1:]} {output}: must end in {suffix}")
            check_output(output, map(Path, inputs))


def _write_sheets(
    html: Path | None, png: Path | None, title: str, about: str, strips: Callable[[], "Sequence[Strip]"]
) -> None:
    from zoo.files import png_bytes, write_output
    from zoo.search.sheet import draw_sheet, html_page

    if html or png:
        made = strips()
        if html:
            write_output(html, html_page(title, about, made))
        if png:
            write_output(png, png_bytes(draw_sheet(title, about, made)))


def _print_table(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table, without the column of classes if no image has one."""
    from rich.table import Table

    from zoo.terminal import Terminal

    shown = [place for place in range(len(headings)) if headings[place] != "class" or any(row[place] for row in rows)]
    table = Table(*(headings[place] for place in shown), title=title)
    for row in rows:
        table.add_row(*(row[place] for place in shown))
    Terminal(folded=True).print(table)


def _report(failures: "Sequence[Failure]", done: int) -> None:
    """Raise `ImageError` with the images that could not be read, if there are any, beside those that were."""
    from zoo.classify.answers import unreadable_error

    if failures:
        raise unreadable_error(failures, done + len(failures))


def add_commands(app: Any) -> None:
    """Add these commands to the program."""
    for command in (index, search, duplicates):
        app.command()(command)
