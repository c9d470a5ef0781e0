"""The commands `zoo serve`, `zoo tune` and `zoo speed`."""

from typing import Annotated

import typer

from serve.settings import BATCH_LIMIT, DAY, ENVIRONMENT_PREFIX, MAX_BATCH, MAX_THREADS, Settings
from zoo.options import ModelArgument, with_options
from zoo.package import SERVING_FILE, SPEED_FILE, Package
from zoo.runtime import Device, Precision

DeviceOption = Annotated[Device, typer.Option(help="Where to compute.")]
ThreadsOption = Annotated[
    int, typer.Option(min=0, max=MAX_THREADS, help="CPU threads; 0 for one per core. Serve with the same number.")
]
SecondsOption = Annotated[
    float, typer.Option(min=0, max=DAY, help="Measuring time of each setting at each batch size, in seconds.")
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only measure; change nothing.")]


def add_commands(app: typer.Typer) -> None:
    """Add this package's commands to the program."""
    app.command()(serve)
    app.command()(tune)
    app.command()(speed)


@with_options(Settings, environment=ENVIRONMENT_PREFIX)
def serve(settings: Settings) -> None:
    """Answer POST /classify and POST /patch-semantics over HTTP; see /docs there."""
    from serve.process.supervisor import run

    run(settings)


def tune(
    model: ModelArgument,
    precision: Annotated[
        Precision | None,
        typer.Option(help="Precision of the ONNX file to tune and to serve.", show_default="as before, or fp32"),
    ] = None,
    device: DeviceOption = "auto",
    threads: ThreadsOption = 0,
    batch: Annotated[
        int, typer.Option(min=2, max=BATCH_LIMIT, help="Images in a large batch; the small one has one.")
    ] = MAX_BATCH,
    seconds: SecondsOption = 1.0,
    dry_run: DryRunOption = False,
) -> None:
    """Find the fastest way to compute a model on this machine, and keep it in the model directory."""
    from serve.tuning.report import describe_choice, summary_table, trials_table
    from serve.tuning.tune import tune as find
    from serve.tuning.tune import write
    from zoo.terminal import Terminal

    package = _open(model, None if dry_run else SERVING_FILE)
    console = Terminal(folded=True)
    # A spinner takes processor time, too.
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
    Terminal().print(f"chosen: {describe_choice(found)}\nwritten: {written}")


def speed(
    model: ModelArgument,
    device: DeviceOption = "auto",
    threads: ThreadsOption = 0,
    seconds: SecondsOption = 3.0,
    dry_run: DryRunOption = False,
) -> None:
    """Measure how fast this machine computes each of a model's ONNX files, for its card."""
    from serve.tuning.speed import measure_speed
    from zoo.package.card import write_card
    from zoo.package.timings import write_speed
    from zoo.terminal import Terminal

    package = _open(model, None if dry_run else SPEED_FILE)
    found = measure_speed(package, device, threads, seconds)
    for precision, one in found.items():
        times = ", ".join(f"{1000 * time:.2f} ms for {batch}" for batch, time in one.seconds.items())
        where = f"{one.device}, {one.processor}, threads: {one.threads}"
        Terminal().print(f"{package.config.name}, {precision}: {times} images ({where})")
    if not dry_run:
        write_speed(package, found)
        write_card(package)


def _open(model: str, to_write: str | None) -> Package:
    """The model directory; `InputError` at once, and not after minutes, if the file cannot be written there."""
    from serve.tuning.tune import check_writable
    from zoo.hub import open_model

    package = open_model(model)
    if to_write:
        check_writable(package, to_write)
    return package
