"""The commands `zoo serve`, `zoo tune` and `zoo speed`."""

from typing import Annotated

import typer

from serve.settings import DAY, LARGEST_BATCH, MANY, MAX_BATCH, VARIABLES, Settings
from zoo.options import ModelArgument, with_options
from zoo.runtime import Device, Precision


def add_commands(app: typer.Typer) -> None:
    """Add this package's commands to the program."""
    app.command()(serve)
    app.command()(tune)
    app.command()(speed)


@with_options(Settings, environment=VARIABLES)
def serve(settings: Settings) -> None:
    """Answer POST /classify and POST /patch-semantics over HTTP; see /docs there."""
    from serve.process.supervisor import run

    run(settings)


def tune(
    model: ModelArgument,
    precision: Annotated[
        Precision | None,
        typer.Option(help="Of the ONNX file to tune, and to serve from then on.", show_default="as before, or fp32"),
    ] = None,
    device: Annotated[Device, typer.Option(help="Where to compute.")] = "auto",
    threads: Annotated[
        int, typer.Option(min=0, max=MANY, help="CPU threads; 0 for one a core. Serve with as many.")
    ] = 0,
    batch: Annotated[
        int, typer.Option(min=2, max=LARGEST_BATCH, help="Pictures in a large batch; the small one has one.")
    ] = MAX_BATCH,
    seconds: Annotated[
        float, typer.Option(min=0, max=DAY, help="For which each setting is measured at each batch size.")
    ] = 1.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only measure; change nothing.")] = False,
) -> None:
    """Find the fastest way to compute a model on this machine, and keep it in the model directory."""
    from serve.tuning.report import chosen, summary_table, trials_table
    from serve.tuning.tune import check_writable, write
    from serve.tuning.tune import tune as find
    from zoo.hub import open_model
    from zoo.terminal import Terminal

    package = open_model(model)
    if not dry_run:
        check_writable(package)
    console = Terminal(folded=True)
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
        console.print(trials_table(package, found, (1, batch)))
    console.print(summary_table(package, found, (1, batch)))
    written = "nothing (--dry-run)" if dry_run else write(found.serving, package)
    # Not folded, so that names of files can be copied.
    Terminal().print(f"chosen: {chosen(found)}\nwritten: {written}")


def speed(
    model: ModelArgument,
    device: Annotated[Device, typer.Option(help="Where to compute.")] = "auto",
    threads: Annotated[int, typer.Option(min=0, max=MANY, help="CPU threads; 0 for one a core.")] = 0,
    seconds: Annotated[
        float, typer.Option(min=0, max=DAY, help="For which each file is measured at each batch size.")
    ] = 3.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only measure; change nothing.")] = False,
) -> None:
    """Measure how fast this machine computes each of a model's ONNX files, for its card."""
    from serve.tuning.speed import measure_speed
    from serve.tuning.tune import check_writable
    from zoo.hub import open_model
    from zoo.package import SPEED_FILE
    from zoo.package.card import write_card
    from zoo.package.timings import write_speed
    from zoo.terminal import Terminal

    package = open_model(model)
    if not dry_run:
        check_writable(package, SPEED_FILE)
    found = measure_speed(package, device, threads, seconds)
    for precision, one in found.items():
        times = ", ".join(f"{1000 * time:.2f} ms for {batch}" for batch, time in one.seconds.items())
        where = f"{one.device}, {one.processor}, threads: {one.threads}"
        told = f"{package.config.name}, {precision}: {times} pictures ({where})"
        Terminal().print(told)
    if not dry_run:
        write_speed(package, found)
        write_card(package)
