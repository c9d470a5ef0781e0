"""The commands `zoo reproduce` and `zoo claims`."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reproduction.experiments import EXPERIMENTS
from zoo.errors import InputError, reason_of
from zoo.extras import require
from zoo.options import data_option, path_option

if TYPE_CHECKING:
    from reproduction.estimate import Estimator

AT_ONCE_ON_A_GPU = 2
"""Concurrent runs on a GPU: one keeps it busy with captured steps, while another measures or decodes."""


def add_commands(app: typer.Typer) -> None:
    """Add this package's commands to the program."""
    app.command()(reproduce)
    app.command()(claims)


def reproduce(
    datasets: Annotated[
        list[str] | None,
        data_option(
            help="Data set of the table, as for `zoo train` (repeatable). With --experiment: the folder of its data "
            "set (cifar10), which is otherwise downloaded.",
            show_default="cifar10, cifar100, mini-imagenet; or the experiment's",
        ),
    ] = None,
    variants: Annotated[
        list[str] | None,
        typer.Option(
            help="Shell-style pattern of variants (repeatable).",
            show_default="those with a paper accuracy in docs/variants.md",
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(min=1, help="Number of seeds per row (0, 1, ...).", show_default="1, or the experiment's"),
    ] = None,
    recipe: Annotated[str | None, typer.Option(help="Recipe, as for `zoo train`.", show_default="fast")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Number of epochs.", show_default="the recipe's")] = None,
    experiment: Annotated[
        list[str] | None,
        typer.Option(
            help="Experiment to run instead of the table (repeatable): "
            + "; ".join(f"{name} ({one.title} {len(one.plan())} runs)" for name, one in EXPERIMENTS.items())
            + "."
        ),
    ] = None,
    runs: Annotated[Path, path_option(help="Folder for checkpoints, models and logs.")] = Path("runs/reproduce"),
    results: Annotated[Path, path_option(help="Folder for results.md, its figures and the records.")] = Path("docs"),
    at_once: Annotated[
        int | None,
        typer.Option(
            min=1, help="Number of runs to train at once.", show_default=f"{AT_ONCE_ON_A_GPU} on a GPU, otherwise 1"
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            help="Time to train in, best value first: a run starts only if its estimated time fits, and those in "
            "progress at the end are saved and resume next time.",
            show_default="as long as it takes",
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="Device: auto, cpu, cuda or cuda:N.")] = "auto",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show the plan and its progress; with --minutes, also estimates.")
    ] = False,
    only_write: Annotated[
        bool, typer.Option("--only-write", help="Train nothing; write results.md again from existing records.")
    ] = False,
) -> None:
    """Train the missing runs of the paper's table or of experiments, and write docs/results.md.

    The table is that of all variants with an accuracy in the paper, on its data sets; docs/results.md has the runs and
    the minutes of each. Networks with a semantic block are probed, as by `zoo probe`. If one of the table does not use
    its block, the command fails at the end, when all results are written. With --minutes, the command ends on time and
    lists the runs that are left.
    """
    from zoo.terminal import Terminal

    say = Terminal().print
    if not only_write:
        require("train")
    if not dry_run:
        require("explain", "matplotlib", "scipy")
    if only_write:
        return _write(results, say)
    from reproduction.execute import (
        TRAINER,
        TimeLimit,
        UnfinishedError,
        execute,
        require_test_splits,
        require_used_blocks,
        state,
    )
    from reproduction.experiments import plan_experiments
    from reproduction.plan import by_value, plan
    from reproduction.records import RECORDS

    if experiment:
        planned = plan_experiments(experiment, seeds, datasets or [])
        if variants or recipe or epochs is not None:
            raise InputError(
                "an experiment has its own variants and recipe; leave out --variants, --recipe and --epochs"
            )
    else:
        changes = {} if epochs is None else {"epochs": epochs}
        planned = plan(datasets or (), variants or (), 1 if seeds is None else seeds, recipe or "fast", changes)
    records = results / RECORDS
    limit = None
    if minutes is not None:
        at_once = at_once or _at_once_on(device)
        limit = TimeLimit(minutes, _estimator(runs, records, at_once, device))
        planned = planned if experiment else by_value(planned, limit.estimate)
    states = [state(run, runs, records) for run in planned]
    if dry_run:
        for run, its_state in zip(planned, states, strict=True):
            estimate = f"{0 if its_state == 'done' else limit.estimate(run):6.1f} minutes  " if limit else ""
            say(f"{its_state:<9}  {estimate}{run.name}")
    counts = ", ".join(f"{states.count(kind)} {kind}" for kind in ("done", "half-done", "to do"))
    say(f"{len(planned)} runs: {counts}")
    if dry_run:
        return None
    waiting = [run for run, its_state in zip(planned, states, strict=True) if its_state != "done"]
    if at_once is None:
        at_once = _at_once_on(device) if waiting else 1
    require_test_splits(waiting)
    try:
        execute(waiting, runs, records, at_once, device, trainer=TRAINER, say=say, limit=limit)
    except UnfinishedError:
        _write(results, say)
        raise
    _write(results, say)
    left = [run for run in waiting if state(run, runs, records) != "done"]
    if limit and left:
        finished = f"{len(waiting) - len(left)} of {len(waiting)} runs finished"
        say(f"{finished} within {minutes:g} minutes; run the same command to train the others:")
        for run in left:
            say(f"{state(run, runs, records):<9}  {limit.estimate(run):6.1f} minutes  {run.name}")
    if not experiment:
        require_used_blocks([run for run in planned if run not in left], records)
    return None


def _estimator(runs: Path, records: Path, at_once: int, device: str) -> "Estimator":
    from reproduction.estimate import Estimator
    from training.device import choose_device

    return Estimator(runs, records, at_once, choose_device(device)[0])


def _at_once_on(device: str) -> int:
    from training.device import choose_device

    return AT_ONCE_ON_A_GPU if choose_device(device)[0].type == "cuda" else 1


def _write(results: Path, say: Callable[[str], None]) -> None:
    from reproduction.plots import write_plots
    from reproduction.records import RECORDS, read_records
    from reproduction.results import write_results

    records = read_records(results / RECORDS)
    plots = write_plots(results, records)
    say(f"{write_results(results, records, plots)}: {len(records)} run{'s' if len(records) != 1 else ''}")


def claims(
    data: Annotated[
        str, data_option(help="Data set, as for `zoo train`; the models measured are those of this data set.")
    ] = "cifar10",
    images: Annotated[
        int,
        typer.Option(min=2, help="Number of images of each split whose patches are analysed."),
    ] = 1000,
    only: Annotated[
        str | None,
        typer.Option(
            help="Claims to measure, by number, such as 1a,2; the earlier results of others are kept.",
            show_default="all that can be measured",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the sampled locations and of the bootstrap.")] = 0,
    docs: Annotated[
        Path,
        path_option(help="Folder for claims.md and its figures; the records of `zoo reproduce` are read from it."),
    ] = Path("docs"),
    raw: Annotated[Path, path_option(help="File for the raw results.")] = Path("benchmarks/results/claims.json"),
    only_write: Annotated[
        bool, typer.Option("--only-write", help="Measure nothing; write the document again from existing raw results.")
    ] = False,
) -> None:
    """Measure the paper's claims on the rn26 and wrn16 models of a data set, and write docs/claims.md.

    1a: batch normalisation with ReLU acts as a soft maximiser with slack. 1b: a softmax with slack can replace it. 2:
    the block with the patch loss is more accurate than the patch loss alone. 3a: features cluster better after the
    block. 3b: animals separate from vehicles. 4: new entities arise as mixtures of classes. 1b and 2 are read from the
    records of `zoo reproduce --experiment`. A claim that cannot be measured is reported and left out; it is an error
    only if --only names it.
    """
    require("explain")
    from reproduction.claims.catalogue import CLAIMS
    from reproduction.claims.finding import ClaimsError, read_findings, write_findings
    from reproduction.claims.inputs import ClaimInputs
    from reproduction.claims.runner import chosen_claims, write
    from reproduction.records import RECORDS
    from zoo.terminal import Terminal

    console = Terminal()
    numbers = () if only_write else chosen_claims(only)
    inputs = ClaimInputs(data, images, seed, docs / RECORDS)
    try:
        findings = read_findings(raw)
        for number in numbers:
            try:
                findings[number] = CLAIMS[number].measure(inputs)
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
        raise InputError(f"cannot read or write {error.filename}: {reason_of(error)}") from None
