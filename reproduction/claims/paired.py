"""Paired differences between the arms of an experiment, from the records of its runs, and their figure."""

from typing import Any, NamedTuple

import matplotlib
from matplotlib.figure import Figure

from explain.stats import Estimate
from reproduction.claims.finding import FindingTable
from reproduction.claims.inputs import ClaimInputs
from reproduction.experiment_table import differences_by_seed, paired_difference, paired_interval, records_by_arm
from reproduction.experiments import EXPERIMENTS
from reproduction.records import Record, read_records, shown_mean
from zoo.reporting import COLORS, STYLE


class Difference(NamedTuple):
    """Difference in accuracy between two arms, in percentage points."""

    by_seed: dict[int, float]

    @property
    def interval(self) -> Estimate | None:
        """Mean with its paired 95% t-interval; None with fewer than two seeds."""
        return paired_interval(list(self.by_seed.values()))

    @property
    def shown(self) -> str:
        """The difference as text; `no pairs` without any."""
        return paired_difference(list(self.by_seed.values())) or "no pairs"

    def to_raw(self) -> dict[str, Any]:
        return {"seeds": list(self.by_seed), "values": list(self.by_seed.values()), "interval": self.interval}


class ExperimentRuns(NamedTuple):
    """Recorded runs of an experiment."""

    name: str
    data: str
    by_arm: dict[str, dict[int, Record]]
    """Records by seed, by the arm's title."""

    @staticmethod
    def read(name: str, inputs: ClaimInputs) -> "ExperimentRuns":
        """Read the runs of an experiment on the inputs' data set."""
        records = {record.name: record for record in read_records(inputs.records)}
        return ExperimentRuns(name, inputs.data, records_by_arm(EXPERIMENTS[name], records, inputs.data))

    def difference(self, arm: str, against: str) -> Difference:
        return Difference(differences_by_seed(self.by_arm[arm], self.by_arm[against]))

    @property
    def measured_on(self) -> str:
        """Experiment, images and seeds."""
        found = next((record for runs in self.by_arm.values() for record in runs.values()), None)
        command = f"`zoo reproduce --experiment {self.name}`"
        if found is None:
            return f"no records yet; create them with {command}"
        return (
            f"{self.data}, {found.training.images:,} training and {found.score.images:,} held-out images, records of "
            f"{command}"
        )

    def table(self, against: tuple[str, ...]) -> FindingTable:
        """Accuracy of each arm, and its paired difference from some arms."""
        rows = [
            (
                title,
                shown_mean([record.score.accuracy for record in runs.values()]),
                str(len(runs)),
                *("" if other == title else self.difference(title, other).shown for other in against),
            )
            for title, runs in self.by_arm.items()
        ]
        columns = ("accuracy, %", "seeds", *(f"minus {other}" for other in against))
        title = "All arms; differences in percentage points, with paired 95% t-intervals"
        return FindingTable(title, (("arm", "l"), *((name, "r") for name in columns)), tuple(rows))


def draw(raw: dict[str, Any]) -> Figure:
    """Figure of differences: a dot per seed, and the mean with its interval.

    Arguments:
        raw: `differences` by label, as by `Difference.to_raw`; `lines`: differences at which to draw a line.
    """
    differences = raw["differences"]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7, 1 + 0.45 * len(differences)), layout="constrained")
        axes = figure.add_subplot()
        for line in raw["lines"]:
            axes.axvline(line, color="#888888", linewidth=0.8, linestyle="-" if line == 0 else "--")
        for place, found in enumerate(differences.values()):
            axes.plot(found["values"], [place + 0.2] * len(found["values"]), "o", color=COLORS[1], markersize=3)
            if found["interval"]:
                value, low, high = found["interval"]
                errors = [[value - low], [high - value]]
                axes.errorbar([value], [place], xerr=errors, fmt="o", color=COLORS[0], capsize=3)
            elif not found["values"]:
                axes.text(0, place, " no records yet", va="center", color="#666666")
        axes.set_yticks(range(len(differences)), differences)
        axes.set(xlabel="difference in accuracy, percentage points", ylim=(len(differences) - 0.5, -0.5))
        axes.grid(visible=False, axis="y")
    return figure
