"""The commands `zoo export`, `zoo verify` and `zoo compact`."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from zoo.extras import importing
from zoo.options import ModelArgument, path_option
from zoo.runtime import EXECUTIONS, ComputePrecision, Device, Engine, Execution, Precision, execution_of


def add_commands(app: typer.Typer) -> None:
    """Register this package's commands."""
    app.command("export")(export)
    app.command("verify")(verify)
    app.command("compact")(compact)


def export(
    model: ModelArgument,
    output: Annotated[
        Path | None, path_option("-o", "--output", help="Output file.", show_default="in the model directory")
    ] = None,
    input_size: Annotated[
        int | None,
        typer.Option(
            help="Height and width of the images in pixels, at least 32; another than the model's own requires "
            "--output.",
            show_default="the model's own",
        ),
    ] = None,
    precision: Annotated[
        Precision, typer.Option(help="Precision of weights and activations; fp16 is meant for GPUs, int8 for CPUs.")
    ] = "fp32",
    data: Annotated[
        Path | None,
        path_option(
            help="Training images for calibration: a folder of image files, with its sub-folders, or of Parquet files "
            "as on the Hub, or a table of paths; of splits, only the training one is read. Required for int8, and "
            "refused otherwise; up to 1,024 images are used, without labels."
        ),
    ] = None,
) -> None:
    """Export a model to ONNX, for ONNX Runtime and the server.

    The file is written into the model directory. The same versions of torch, onnx and onnxscript write the same bytes.
    If they differ from those of a previous file, its results from `zoo verify` are removed, with a message.
    """
    with importing("export"):
        from export.onnx_file import OPSET, check_input_size, export_onnx
        from export.quantize import CALIBRATION_IMAGES
    from rich.table import Table

    from export.images import read_folder_pixels
    from export.parity_file import describe_stale, drop_stale_records
    from zoo.errors import InputError, reason_of
    from zoo.files import refuse_inputs, require_writable, sha256
    from zoo.hub import open_model
    from zoo.package import ONNX_FILES, PARITY_FILE, PUBLISHED_FILES
    from zoo.terminal import Terminal

    package = open_model(model)
    if output is None and input_size not in (None, package.config.input_size):
        raise InputError(
            f"--input-size {input_size}: the model directory only has ONNX files for the input size "
            f"{package.config.input_size} of {package.config.name}; write this one elsewhere with --output"
        )
    own_file = package.path / ONNX_FILES[precision]
    file = output or own_file
    refuse_inputs(file, (package.path / name for name in PUBLISHED_FILES if name != own_file.name))
    if data is not None and precision != "int8":
        raise InputError(f"--data {data}: only used with --precision int8; omit it, or export in int8")
    size = check_input_size(package.config.input_size if input_size is None else input_size)
    verified = package.verified_sha256(precision)  # report a damaged record now, not after minutes
    console = Terminal(folded=True)
    require_writable(file.parent, file)
    try:
        pixels = None if data is None else read_folder_pixels(data, size, 2 * CALIBRATION_IMAGES, training=True)
        with console.status("exporting") as status:
            config = export_onnx(
                package, file, input_size, precision, pixels, lambda part: status.update(f"measuring {part}")
            )
        stale = drop_stale_records(package, precision) if file.resolve() == own_file.resolve() else {}
    except OSError as error:
        where = error.filename or file
        raise InputError(f"cannot read or write {where}: {reason_of(error)}") from None
    digest = sha256(file)
    table = Table(title=config.name, show_header=False)
    table.add_row("file", str(file))
    table.add_row("precision", precision)
    table.add_row("size", f"{file.stat().st_size / 1e6:.2f} MB")
    table.add_row("SHA-256", digest)
    if digest != verified:
        own = file.resolve() == own_file.resolve()
        table.add_row("verified", f"no; run zoo verify {shlex.quote(model)}" if own else "no")
    else:
        failed = package.verification_failed(precision)
        table.add_row("verified", f"{'failed' if failed else 'passed'}, with identical bytes ({PARITY_FILE})")
    table.add_row("image", f"uint8 [N, 3, {config.input_size}, {config.input_size}]")
    table.add_row("opset", str(OPSET))
    console.print(table)
    for execution, records in stale.items():
        Terminal(stderr=True).print(describe_stale(execution, records))


def verify(
    model: ModelArgument,
    data: Annotated[
        Path,
        path_option(
            help="Images to compare on: a folder of image files, with its sub-folders, or of Parquet files as on the "
            "Hub, or a table of paths and labels, which are not used.",
            show_default=False,
        ),
    ],
    images: Annotated[int, typer.Option(min=1, help="Maximum number of images to compare.")] = 1000,
    precision: Annotated[
        ComputePrecision | None,
        typer.Option(
            help="Precision to check; bf16 computes the fp32 file in bf16, with OpenVINO.",
            show_default="all that are exported and can be computed",
        ),
    ] = None,
    engine: Annotated[
        Engine, typer.Option(help="What computes: onnxruntime, or openvino (template-zoo[openvino]) on the CPU.")
    ] = "onnxruntime",
    device: Annotated[Device, typer.Option(help="Device for ONNX Runtime.")] = "cpu",
    atol: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Absolute tolerance: numbers may differ by atol + rtol x the largest magnitude of that output.",
            show_default="fp32 0.0001, or 0.001 on CUDA; fp16 0.1; bf16 0.8; int8 100",
        ),
    ] = None,
    rtol: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Relative tolerance, of the largest magnitude.",
            show_default="fp32 1e-05, or 0.0001 on CUDA; fp16 0.01; bf16 0.08; int8 1",
        ),
    ] = None,
    agreement: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Minimum share of images for which the most probable class is the same as in PyTorch, and of patches "
            "for which the strongest class is; also of the cells of a network's own maps of indices.",
            show_default="fp32 0.999, fp16 0.99, bf16 0.98, int8 0.97",
        ),
    ] = None,
) -> None:
    """Check a model's ONNX files against PyTorch, and record the result in its model directory.

    If a check fails, its result is recorded too, and the exit status is 1.
    """
    with importing("export"):
        from export.verify import measure_parity, require_parity
    from export.images import read_folder_pixels
    from export.parity import parity_table
    from export.parity_file import describe_replaced, describe_stale, stale_records
    from zoo.errors import InputError, reason_of
    from zoo.hub import open_model
    from zoo.predictors.choice import executions_of
    from zoo.predictors.openvino import import_openvino
    from zoo.terminal import Terminal

    package = open_model(model)
    if precision is None and (atol, rtol, agreement) != (None, None, None):
        raise InputError("--atol, --rtol and --agreement apply to a single precision; add --precision")
    if engine == "openvino":
        import_openvino()  # report a missing package before any file
    executions: Sequence[Execution] = [one for one in executions_of(package) if EXECUTIONS[one].engine == engine]
    if precision or not executions:
        executions = [execution_of(engine, precision or "fp32")]
    stale, before = {one: stale_records(package, one) for one in executions}, package.parity()
    try:
        pixels = read_folder_pixels(data, package.config.input_size, images)
        found = measure_parity(package, pixels, executions, device, atol, rtol, agreement)
    except OSError as error:
        raise InputError(f"cannot read or write {error.filename}: {reason_of(error)}") from None
    for one, parity in found.items():
        Terminal(folded=True).print(parity_table(package.config.name, one, parity))
        if stale[one]:
            Terminal(stderr=True).print(describe_stale(one, stale[one]))
        if replaced := describe_replaced(one, before.get(one, {}), package.parity()[one]):
            Terminal(stderr=True).print(replaced)
    for one, parity in found.items():
        require_parity(package, one, parity)


def compact(
    model: ModelArgument,
    output: Annotated[Path, path_option("-o", "--output", help="New model directory.", show_default=False)],
) -> None:
    """Write a copy of a model with half-precision weights, at half the size of single precision.

    The copy computes in single precision, with rounded weights, so its accuracy may differ a little. ONNX files and
    measurements are not copied: export and evaluate the copy.
    """
    with importing("export"):
        from export.compact import compact as write
    from zoo.files import writing
    from zoo.hub import LOCAL_PREFIX, open_model
    from zoo.package import WEIGHTS_FILE
    from zoo.terminal import Terminal

    package = open_model(model)
    with writing(output):
        new = write(package, output)
    before, after = ((model.path / WEIGHTS_FILE).stat().st_size / 1e6 for model in (package, new))
    done = (
        f"{output}: weights reduced from {before:.2f} MB to {after:.2f} MB; now evaluate the copy: "
        f"zoo eval {LOCAL_PREFIX}{output} --data {package.config.data} --record"
    )
    Terminal().print(done)
