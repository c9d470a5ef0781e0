"""What `zoo tune` prints."""

from collections.abc import Sequence

from rich.table import Table

from serve.tuning.stopwatch import Seconds
from serve.tuning.tune import TuningResult
from zoo.package import Package
from zoo.runtime import Precision, Runtime


def trials_table(package: Package, found: TuningResult, batches: Sequence[int]) -> Table:
    """Every trial with its times and the reason why it was kept or not."""
    serving = found.serving
    table = Table(
        "trial",
        title=f"{package.config.name}, {serving.precision}: {found.device}, {serving.processor}, cores: "
        f"{serving.cores}, threads: {serving.threads}",
        caption=f"First the defaults were the best: {Runtime().describe(serving.threads)}. Each trial was measured in "
        "turn with the best before it, the choice once more with the defaults; the ratio says how many times as fast "
        "it was. Medians.",
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


def summary_table(package: Package, found: TuningResult, batches: Sequence[int]) -> Table:
    """The defaults, what was chosen, and the other precisions beside it."""
    table = Table(
        "precision",
        "options",
        title=f"{package.config.name}: {found.device}",
        caption="Measured in turn; the ratio is to the first row. From parity.json: the share of images whose most "
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


def _parity(package: Package, precision: Precision) -> tuple[str, str]:
    for record in package.parity().get(precision, {}).values():
        return f"{record['agreement']['logits']:.2%}", f"{record['total_variation']:.1e}"
    return "", ""


def describe_choice(found: TuningResult) -> str:
    """Description of what is served from now on."""
    serving = found.serving
    if found.on_cuda:
        return serving.precision
    defaults = " (the defaults)" if serving.runtime == Runtime() else ""
    return f"{serving.precision}, {serving.runtime.describe(serving.threads)}{defaults}"
