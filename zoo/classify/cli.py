"""The command `zoo classify`."""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo.hub import DEFAULT_MODEL
from zoo.options import API_KEY_VARIABLE, AsJson, FromFile, Images, model_option, path_option

if TYPE_CHECKING:
    from zoo.classify.answers import Classifier, Failure
    from zoo.classify.server import ServerClassifier
    from zoo.classify.sources import Sources

_OUTPUT = "(- for standard output)"


def classify(
    images: Images = None,
    from_file: FromFile = None,
    model: Annotated[
        str | None, model_option(show_default=f"{DEFAULT_MODEL}, or the first model of the server")
    ] = None,
    top_k: Annotated[
        int | None,
        typer.Option(
            "--top-k",
            "--top",
            help="Number of classes to show per image, from 1 to that of the model.",
            show_default="5, or all if there are fewer",
        ),
    ] = None,
    as_json: AsJson = False,
    csv: Annotated[
        Path | None, path_option(help=f"Write a line of CSV per image, as it is answered, to a file {_OUTPUT}.")
    ] = None,
    jsonl: Annotated[
        Path | None, path_option(help=f"Write a line of JSON per image, as it is answered, to a file {_OUTPUT}.")
    ] = None,
    server: Annotated[
        str | None, typer.Option(metavar="URL", help="Ask a running server instead of computing here.")
    ] = None,
    api_key: Annotated[
        str | None,
        typer.Option(envvar=API_KEY_VARIABLE, metavar="KEY", help="API key for --server.", show_default=False),
    ] = None,
) -> None:
    """Show the most probable classes of images.

    Any number of images takes the same memory. Images that cannot be read are listed at the end, with exit status 1;
    all others are answered. URLs must lead to the public internet, and to at most 64 MiB within 30 seconds.
    """
    from zoo.classify.answers import unreadable_error
    from zoo.classify.sources import Sources
    from zoo.errors import InputError
    from zoo.files import check_output

    if not images and from_file is None:
        raise typer.BadParameter("give images, or --from-file", param_hint="IMAGES")
    outputs = {"--csv": csv, "--jsonl": jsonl} | ({"--json": Path("-")} if as_json else {})
    chosen = {name: output for name, output in outputs.items() if output}
    if len(chosen) > 1:
        raise InputError(f"{' and '.join(chosen)}: give only one of them")
    kind, output = next(iter(chosen.items()), ("table", Path("-")))
    sources = Sources(tuple(images or ()), None if from_file is None else str(from_file))
    if output != Path("-"):
        check_output(output, [*map(Path, sources.names), *([from_file] if from_file else [])])
    with ExitStack() as stack:
        if server is None:
            classifier = _local(model or DEFAULT_MODEL, top_k)
        else:
            classifier = stack.enter_context(_server(server, model, top_k, api_key))
        total, failures = _answer(classifier, sources, kind, output)
    if failures:
        raise unreadable_error(failures, total)


def _local(model: str, top_k: int | None) -> "Classifier":
    from zoo.classify.local import LocalClassifier, open_for_inference

    return LocalClassifier(open_for_inference(model), top_k)


def _server(url: str, model: str | None, top_k: int | None, api_key: str | None) -> "ServerClassifier":
    from zoo.extras import importing

    with importing("client", "--server"):
        from zoo.classify.server import ServerClassifier
    return ServerClassifier(url, model, top_k, api_key)


def _answer(classifier: "Classifier", sources: "Sources", kind: str, output: Path) -> "tuple[int, list[Failure]]":
    """Write all answers; the number of images, and those that cannot be read."""
    from zoo.classify.answers import Answer, Failure
    from zoo.classify.writers import WRITERS, naming_output, opened
    from zoo.terminal import progress_bar

    total, failures = 0, []
    # Answers on the terminal are progress enough.
    shown = sys.stderr.isatty() and not (output == Path("-") and sys.stdout.isatty())
    with opened(output) as stream, progress_bar(shown, stderr=True) as bar:
        task = bar.add_task("images", total=sources.count() if shown else None, status="")
        writer = WRITERS[kind](stream, classifier.identity, classifier.top_k)
        for batch in classifier.answers(sources):
            with naming_output(output):
                writer.write(each for each in batch if isinstance(each, Answer))
                stream.flush()
            failures += [each for each in batch if isinstance(each, Failure)]
            total += len(batch)
            bar.update(task, completed=total, status=f"{len(failures):,} unreadable" if failures else "")
        with naming_output(output):
            writer.finish()
            stream.flush()
    return total, failures
