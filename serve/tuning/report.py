"""Output of `zoo tune`."""

from rich.table import Table

from serve.tuning.stopwatch import Seconds
from serve.tuning.tune import TuningResult
from zoo.package import Package
from zoo.runtime import Execution, Runtime


def trials_table(package: Package, found: TuningResult) -> Table:
    """Table of all trials, with their times, the reason for keeping or rejecting each, and the decision."""
    serving = found.serving
    table = Table(
        "trial",
        title=f"{package.config.name}, {serving.execution}: {found.device}, {serving.processor}, cores: "
        f"{serving.cores}, threads: {serving.threads}",
        caption=f"The search starts from the defaults: {Runtime().describe(serving.threads)}. Each trial alternates "
        "with the best setting so far, and finally the choice with the defaults; the ratio is the speed-up. Medians.",
    )
    for batch in found.batches:
        table.add_column(f"batch {batch}, ms", justify="right")
        table.add_column("ratio", justify="right")
    table.add_column("kept")
    for trial in serving.trials:
        cells: list[str] = []
        for key in map(str, found.batches):
            cells += _cells(trial.seconds[key], trial.against[key]) if key in trial.seconds else ("", "")
        table.add_row(trial.why, *cells, "kept" if trial.kept else "")
    return table


def summary_table(package: Package, found: TuningResult) -> Table:
    """Table of the defaults, the chosen options, and the other engines and precisions for comparison."""
    table = Table(
        "computed in",
        "options",
        title=f"{package.config.name}: {found.device}",
        caption="Measured alternately; the ratio is the speed-up over the first row. Only what keeps the accuracy of "
        "fp32 is chosen. From parity.json: share of images with the same top class as PyTorch, and mean total "
        "variation between patch shares.",
    )
    for batch in found.batches:
        table.add_column(f"batch {batch}, ms", justify="right")
        table.add_column("ratio", justify="right")
    table.add_column("same class", justify="right")
    table.add_column("variation", justify="right")
    first: Seconds = next(iter(found.compared.values()))
    for (execution, runtime), times in found.compared.items():
        cells = [cell for batch in found.batches for cell in _cells(times[batch], first[batch])]
        options = "" if found.on_cuda else "default" if runtime == Runtime() else "chosen"
        table.add_row(execution, options, *cells, *_parity(package, execution))
    return table


def _cells(seconds: float, against: float) -> tuple[str, str]:
    return f"{1000 * seconds:.2f}", f"{against / seconds:.2f}"


def _parity(package: Package, execution: Execution) -> tuple[str, str]:
    for record in package.parity().get(execution, {}).values():
        return f"{record['agreement']['logits']:.2%}", f"{record['total_variation']:.1e}"
    return "", ""


def describe_choice(found: TuningResult) -> str:
    """Description of the chosen engine, precision and options."""
    serving = found.serving
    if found.on_cuda:
        return found.execution
    defaults = " (the defaults)" if serving.runtime == Runtime() else ""
    kept = "" if serving.accuracy is None else f"; accuracy {serving.accuracy:.2f}% ({serving.accuracy_gain:+.2f})"
    return f"{serving.execution}, {serving.runtime.describe(serving.threads)}{defaults}{kept}"
