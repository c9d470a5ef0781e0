"""The command `zoo claims`."""

from pathlib import Path
from typing import Annotated

import typer

from explain.extras import require_explaining
from zoo.options import data_option, path_option


def claims(
    data: Annotated[
        str, data_option(help="As --data of zoo train; the models are those of this data set, by its name.")
    ] = "cifar10",
    images: Annotated[
        int, typer.Option(min=2, help="Images whose patches are looked at; accuracies are of the whole test split.")
    ] = 1000,
    only: Annotated[
        str | None,
        typer.Option(
            help="Claims to measure, as 1,2; the others stay as they are.", show_default="all that can be measured"
        ),
    ] = None,
    report: Annotated[
        list[Path] | None,
        path_option(help="Folder that zoo semantics wrote, of a model with the block, for claims 3 and 4; several."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of locations and resamples.")] = 0,
    docs: Annotated[Path, path_option(help="Folder of claims.md, its pictures and the records of runs.")] = Path(
        "docs"
    ),
    raw: Annotated[Path, path_option(help="File of the raw results.")] = Path("benchmarks/results/claims.json"),
    only_write: Annotated[
        bool, typer.Option("--only-write", help="Only write the document of the raw results.")
    ] = False,
) -> None:
    """Measure the paper's claims on trained models, and write docs/claims.md."""
    require_explaining()
    from explain.claims.finding import ClaimsError, read_findings, write_findings
    from explain.claims.measuring import chosen_claims, measure, write
    from explain.claims.study import Study
    from training.records import RECORDS
    from zoo.errors import InputError
    from zoo.terminal import Terminal

    console = Terminal()
    numbers = () if only_write else chosen_claims(only)
    study = Study(data, images, seed, docs / RECORDS, tuple(report or ()))
    try:
        findings = read_findings(raw)
        for number in numbers:
            try:
                findings[number] = measure(number, study)
            except ClaimsError as error:
                if only is not None:
                    raise
                console.print(f"claim {number} was not measured: {error}")
                continue
            write_findings(raw, findings)
            console.print(f"claim {number}: {findings[number].verdict}. {findings[number].text}")
        for file in write(docs, read_findings(raw)):
            console.print(f"wrote {file}")
    except OSError as error:
        raise InputError(f"cannot read or write {error.filename}: {error.strerror or error}") from None
