"""The commands `zoo serve` and `zoo tune`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from serve.settings import Settings
from zoo.errors import MissingDependencyError
from zoo.options import with_options
from zoo.runtime import Device, Precision

if TYPE_CHECKING:
    from rich.table import Table

    from serve.stopwatch import Seconds
    from serve.tune import Tuning
    from zoo.package import Package


def add_commands(app: typer.Typer) -> None:
    """Add this package's commands to the program."""
    app.command()(serve)
    app.command()(tune)


@with_options(Settings, environment="ZOO_")
def serve(settings: Settings) -> None:
    """Answer POST /classify and POST /patch-semantics over HTTP; see /docs there."""
    try:
        from serve.server import run
    except ModuleNotFoundError as error:
        raise MissingDependencyError(f"serving needs {error.name}: pip install 'template-zoo[serve]'") from None
    run(settings)


def tune(
    model: Annotated[
        str,
        typer.Argument(help="VARIANT, VARIANT.DATA, local-dir:PATH or hf-hub:ORG/NAME@REVISION.", show_default=False),
    ],
    precision: Annotated[
        Precision | None,
        typer.Option(help="Of the ONNX file to tune, and to serve from then on.", show_default="as before, or fp32"),
    ] = None,
    device: Annotated[Device, typer.Option(help="Where to compute.")] = "auto",
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 for one a core. Serve with as many.")] = 0,
    batch: Annotated[int, typer.Option(min=2, help="Pictures in a large batch; the small one has one.")] = 64,
    seconds: Annotated[float, typer.Option(min=0, help="For which each setting is measured at each batch size.")] = 1.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only measure; change nothing.")] = False,
) -> None:
    """Find the fastest way to compute a model on this machine, and keep it in the model directory."""
    from rich.console import Console

    from serve.tune import check_writable, write
    from serve.tune import tune as find
    from zoo.hub import open_model

    package = open_model(model)
    if not dry_run:
        check_writable(package)
    console = Console()
    # What turns on the screen computes too.
    with console.status("opening", refresh_per_second=1) as status:
        found = find(
            package,
            precision,
            device,
            threads,
            batch,
            seconds,
            report=lambda words: status.update(f"measuring {words}"),
        )
    if found.on_cuda:
        console.print("On CUDA there was nothing to choose: whole batches are computed there.")
    else:
        console.print(_trials(package, found, (1, batch)))
    console.print(_summary(package, found, (1, batch)))
    written = "nothing (--dry-run)" if dry_run else write(found.serving, package)
    # Not folded, so that names of files can be copied.
    Console(soft_wrap=True).print(f"chosen: {_chosen(found)}\nwritten: {written}", markup=False, emoji=False)


def _trials(package: "Package", found: "Tuning", batches: Sequence[int]) -> "Table":
    from rich.table import Table

    from zoo.runtime import Runtime

    serving = found.serving
    table = Table(
        "trial",
        title=f"{package.config.name}, {serving.precision}: {found.device}, {serving.processor}, cores: "
        f"{serving.cores}, threads: {serving.threads}",
        caption=f"First the defaults were the best: {Runtime().describe(serving.threads)}. Each trial was measured in "
        "turn with the best before it; the ratio says how many times as fast it was. Medians.",
    )
    for batch in batches:
        table.add_column(f"batch {batch}, ms", justify="right")
        table.add_column("ratio", justify="right")
    table.add_column("kept")
    for trial in serving.trials:
        cells: list[str] = []
        for key in map(str, batches):
            cells += _cells(trial.seconds[key], trial.against[key]) if key in trial.seconds else ("", "")
        table.add_row(trial.why, *cells, "kept" if trial.kept else "")
    return table


def _summary(package: "Package", found: "Tuning", batches: Sequence[int]) -> "Table":
    from rich.table import Table

    from zoo.runtime import Runtime

    table = Table(
        "precision",
        "options",
        title=f"{package.config.name}: {found.device}",
        caption="Measured in turn; the ratio is to the first row. From parity.json: the share of pictures whose most "
        "probable class is PyTorch's, and the mean total variation between the shares of a patch.",
    )
    for batch in batches:
        table.add_column(f"batch {batch}, ms", justify="right")
        table.add_column("ratio", justify="right")
    table.add_column("same class", justify="right")
    table.add_column("variation", justify="right")
    first: Seconds = next(iter(found.compared.values()))
    for (precision, runtime), times in found.compared.items():
        cells = [cell for batch in batches for cell in _cells(times[batch], first[batch])]
        options = "" if found.on_cuda else "default" if runtime == Runtime() else "chosen"
        table.add_row(precision, options, *cells, *_parity(package, precision))
    return table


def _cells(seconds: float, against: float) -> tuple[str, str]:
    return f"{1000 * seconds:.2f}", f"{against / seconds:.2f}"


def _parity(package: "Package", precision: Precision) -> tuple[str, str]:
    for record in package.parity().get(precision, {}).values():
        return f"{record['agreement']['logits']:.2%}", f"{record['total_variation']:.1e}"
    return "", ""


def _chosen(found: "Tuning") -> str:
    from zoo.runtime import Runtime

    serving = found.serving
    if found.on_cuda:
        return serving.precision
    defaults = " (the defaults)" if serving.runtime == Runtime() else ""
    return f"{serving.precision}, {serving.runtime.describe(serving.threads)}{defaults}"
