"""The commands `zoo serve`, `zoo tune` and `zoo speed`."""

from typing import Annotated

import typer

from serve.settings import BATCH_LIMIT, DAY, ENVIRONMENT_PREFIX, MAX_BATCH, MAX_THREADS, Settings
from zoo.options import ModelArgument, with_options
from zoo.package import SERVING_FILE, SPEED_FILE, Package
from zoo.runtime import ComputePrecision, Device, Engine

DeviceOption = Annotated[
    Device,
    typer.Option(help="Device to compute on; auto is the GPU if it can be used, and cuda fails if it cannot."),
]
_BATCHES = f"{MAX_BATCH['cpu']}, or {MAX_BATCH['cuda']} on CUDA"
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Measure only; write nothing.")]


def add_commands(app: typer.Typer) -> None:
    """Register this package's commands."""
    app.command()(serve)
    app.command()(tune)
    app.command()(speed)


@with_options(Settings, environment=ENVIRONMENT_PREFIX)
def serve(settings: Settings) -> None:
    """Serve models over HTTP: POST /classify, POST /patch-semantics and more; /docs lists all endpoints.

    A server has one or more processes. Environment variables also set the options; in one with several values, these
    are separated by spaces.
    """
    from serve.process.supervisor import run

    run(settings)


def tune(
    model: ModelArgument,
    precision: Annotated[
        ComputePrecision | None,
        typer.Option(
            help="Precision to tune, which the server then uses, whatever its accuracy; the others are only compared. "
            "bf16 needs OpenVINO.",
            show_default="the fastest that keeps fp32's accuracy by its records; on CUDA the one saved before, or fp16 "
            "if there is such a file",
        ),
    ] = None,
    engine: Annotated[
        Engine | None,
        typer.Option(help="What computes on the CPU: onnxruntime or openvino.", show_default="the faster one"),
    ] = None,
    device: DeviceOption = "auto",
    threads: Annotated[
        int,
        typer.Option(
            min=0,
            max=MAX_THREADS,
            help="CPU threads; 0 for one per core. The options apply to a server with the same --threads, however many "
            "processes it has.",
        ),
    ] = 0,
    batch: Annotated[
        int | None,
        typer.Option(
            min=2,
            max=BATCH_LIMIT,
            help="Size of the large batch; the small batch is a single image.",
            show_default=_BATCHES,
        ),
    ] = None,
    seconds: Annotated[
        float, typer.Option(min=0, max=DAY, help="Seconds to measure each setting at each of the two batch sizes.")
    ] = 1.0,
    dry_run: DryRunOption = False,
) -> None:
    """Find the fastest engine, precision and runtime options for a model on this machine, and save them in its model
    directory.
    """
    from serve.tuning.report import describe_choice, summary_table, trials_table
    from serve.tuning.tune import tune as find
    from serve.tuning.tune import write
    from zoo.terminal import Terminal

    package = _open(model, None if dry_run else SERVING_FILE)
    console = Terminal(folded=True)
    # The spinner uses CPU time as well.
    with console.status("opening", refresh_per_second=1) as status:
        found = find(
            package,
            precision,
            device,
            threads,
            batch,
            seconds,
            report=lambda words: status.update(f"measuring {words}"),
            engine=engine,
        )
    if found.on_cuda:
        console.print("There are no runtime options to tune on CUDA, which computes whole batches.")
    else:
        console.print(trials_table(package, found))
    console.print(summary_table(package, found))
    written = "nothing (--dry-run)" if dry_run else write(found.serving, package)
    # Not wrapped, so that file names can be copied.
    Terminal().print(f"chosen: {describe_choice(found)}\nwritten: {written}")


def speed(
    model: ModelArgument,
    device: DeviceOption = "auto",
    threads: Annotated[int, typer.Option(min=0, max=MAX_THREADS, help="CPU threads; 0 for one per core.")] = 0,
    seconds: Annotated[
        float, typer.Option(min=0, max=DAY, help=f"Seconds to measure each file, for batches of 1 and {_BATCHES}.")
    ] = 3.0,
    dry_run: DryRunOption = False,
) -> None:
    """Measure the speed of a model's ONNX files on this machine, with each installed engine, and save it in its model
    directory and card.
    """
    from serve.tuning.speed import measure_speed
    from zoo.package.card import write_card
    from zoo.package.timings import write_speed
    from zoo.terminal import Terminal

    package = _open(model, None if dry_run else SPEED_FILE)
    found = measure_speed(package, device, threads, seconds)
    for execution, one in found.items():
        times = ", ".join(f"{1000 * time:.2f} ms for {batch}" for batch, time in one.seconds.items())
        where = f"{one.device}, {one.processor}, threads: {one.threads}"
        Terminal().print(f"{package.config.name}, {execution}: {times} images ({where})")
    if not dry_run:
        write_speed(package, found)
        write_card(package)


def _open(model: str, to_write: str | None) -> Package:
    """Open a model directory; raise `InputError` now, rather than after minutes, if `to_write` is not writable."""
    from serve.tuning.tune import check_writable
    from zoo.hub import open_model

    package = open_model(model)
    if to_write:
        check_writable(package, to_write)
    return package
