"""The command `zoo publish`."""

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo.options import path_option

if TYPE_CHECKING:
    from rich.table import Table

    from zoo.hub.publish import Plan
    from zoo.package import Package
    from zoo.terminal import Terminal


def publish(
    name: Annotated[
        str | None,
        typer.Argument(
            help="Model: VARIANT, VARIANT.DATA or local-dir:PATH; either it or --all is required.", show_default=False
        ),
    ] = None,
    all_models: Annotated[
        bool,
        typer.Option(
            "--all", help="Publish every model in the folder $ZOO_WEIGHTS, or in weights/ of the source tree."
        ),
    ] = False,
    to: Annotated[
        str | None,
        typer.Option(
            help="Organisation or user on the Hub to which you may write, or ORG/NAME for a name other than "
            "VARIANT.DATA.",
            show_default="$ZOO_HUB_ORG, or template-zoo",
        ),
    ] = None,
    private: Annotated[
        bool, typer.Option("--private", help="Make a new repository private; fail if it exists and is public.")
    ] = False,
    pull_request: Annotated[
        bool, typer.Option("--pr", help="Propose the changes as a pull request; every run opens a new one.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    pins: Annotated[
        Path | None,
        path_option(
            help="JSON file to which to add the commits and digests of the published files, for releases of this "
            "package (zoo/hub/releases.json); entries of other repositories are kept."
        ),
    ] = None,
) -> None:
    """Publish a model directory as a repository on the Hugging Face Hub.

    Log in before, with `hf auth login` or a token in $HF_TOKEN.
    """
    from zoo.errors import InputError
    from zoo.hub import open_model
    from zoo.hub.publish import plan_publishing
    from zoo.hub.publish import publish as carry_out
    from zoo.hub.publishable import missing, require_publishable
    from zoo.hub.releases import organization, record_releases
    from zoo.terminal import Terminal

    if (name is None) != all_models:
        raise InputError("give one model, or --all for all of them")
    if pins and pull_request:
        raise InputError(f"--pins {pins}: a pull request has no commit to record yet; leave out --pr")
    if to == "" or (to and "/" in to and all_models):
        raise InputError(f"--to {to!r}: give an organisation or a user, or leave it out")
    packages = [open_model(name)] if name else _all_models()
    # Checked before publishing any, so that none is published if another cannot be published or recorded.
    for package in packages:
        require_publishable(package)
    if pins and not dry_run:
        record_releases(pins, {})
    console = Terminal()
    for package in packages:
        owner = to or organization()
        repository = owner if "/" in owner else f"{owner}/{package.config.name}"
        for lack in missing(package):
            console.print(f"note: {package.config.name}: {lack}")
        if dry_run:
            _show(console, plan_publishing(package, repository, private))
            continue
        done = carry_out(package, repository, private, pull_request)
        _show(console, done.plan, brief=True)
        what = "unchanged" if not done.plan.changes else "proposed" if pull_request else "published"
        console.print(f"{what}: {done.url}")
        if pins and done.release:
            record_releases(pins, {repository: done.release})


def _all_models() -> "list[Package]":
    from zoo.errors import InputError
    from zoo.hub import weight_folders
    from zoo.package import CONFIG_FILE, Package

    folder = weight_folders()[0]
    packages = [Package.open(file.parent) for file in sorted(folder.glob(f"*/{CONFIG_FILE}"))]
    if not packages:
        raise InputError(
            f"no model directory in {folder}; train one with `zoo train`, or set ZOO_WEIGHTS to another folder"
        )
    names = [package.config.name for package in packages]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"{folder} has several models called {', '.join(twice)}; remove all but one of each")
    return packages


def _show(console: "Terminal", plan: "Plan", brief: bool = False) -> None:
    from zoo.package import CARD_FILE
    from zoo.package.card import hand_written

    if not plan.changes:
        console.print(f"{plan.repository}: already up to date at {plan.head}")
        return
    console.print(_changes_table(plan))
    before, after = (hand_written(card, CARD_FILE) for card in plan.card)
    if before and before != after:
        console.print(f"note: the hand-written section of {CARD_FILE} on the Hub will be replaced by the local one")
    if not brief:
        diff = difflib.unified_diff(
            plan.card[0].splitlines(),
            plan.card[1].splitlines(),
            f"{CARD_FILE} on the Hub",
            f"local {CARD_FILE}",
            lineterm="",
        )
        console.print("\n".join(diff))


def _changes_table(plan: "Plan") -> "Table":
    from rich.table import Table

    table = Table("file", "", title=plan.repository + ("" if plan.head else " (new repository)"))
    table.add_column("bytes on the Hub", justify="right")
    table.add_column("bytes here", justify="right")
    for change in plan.changes:
        sizes = (f"{size:,}" if size is not None else "" for size in (change.before, change.after))
        table.add_row(change.file, change.kind, *sizes)
    return table
