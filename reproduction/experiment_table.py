"""Results of experiments: accuracy of each arm, and paired differences with intervals over the seeds."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence

from scipy.stats import t as student_t

from explain.stats import Estimate
from reproduction.experiments import EXPERIMENTS, Arm, Experiment
from reproduction.records import Group, Record, linked_logs, shown_mean
from zoo.reporting import markdown

HEADINGS = (
    "arm",
    "accuracy, %",
    "seeds",
    "patches, %",
    "difference [95% interval]",
    "errors removed by the true class, %",
    "predictions changed by another image's assignment, %",
    "minutes",
    "logs, by seed",
)
ALIGNMENT = "lrrrrrrrl"

INTRODUCTION = (
    "Each experiment compares arms that share a recipe and seeds. Differences are means of paired differences to the "
    "reference arm over seeds, with 95% intervals of Student's t. Lambda is the weight of the patch loss; the two "
    "columns about errors and predictions are results of `zoo probe`."
)

ABOUT_SLACK = (
    "How well background and object separate (`zoo slack`), on held-out images shrunk to half their side and placed at "
    "random on a background: the area under the ROC curve, cell by cell of the patch grid, of the share of `none` and "
    "of 1 - max p (0.5 is chance), and the mean share of `none` on the object and on the background. Pointing: in "
    "mosaics of four images, the part of the share of a class that is on the image of that class (0.25 is chance)."
)
SLACK_HEADINGS = (
    "arm",
    "seeds",
    "area, none",
    "difference [95% interval]",
    "area, 1 - max p",
    "none on object",
    "none on background",
    "pointing",
)

ABOUT_POOLING = (
    "What the pooling does (`zoo probe`), on held-out images: the accuracy of the networks with sum pooling if all "
    "weights of the patches are set to 1 after training, and the spread of an image's weights, whose mean is 1."
)
POOLING_HEADINGS = (
    "arm",
    "seeds",
    "accuracy, %",
    "with all weights 1, %",
    "difference [95% interval]",
    "standard deviation of the weights",
    "lowest and highest weight",
)


def experiment_sections(groups: Iterable[Group]) -> list[str]:
    """Introduction, then heading, question and table of every experiment, in Markdown.

    Arguments:
        groups: groups of records that were measured on held-out images.
    """
    records = {record.name: record for group in groups for record in group.records}
    sections = (_section(name, experiment, records) for name, experiment in EXPERIMENTS.items())
    return [INTRODUCTION, *(part for section in sections for part in section)]


def _section(name: str, experiment: Experiment, records: dict[str, Record]) -> list[str]:
    by_arm = records_by_arm(experiment, records)
    found = [record for arm in by_arm.values() for record in arm.values()]
    images = f", {found[0].training.images:,} training and {found[0].score.images:,} held-out images" if found else ""
    about = (
        f"{experiment.question} Data: {experiment.data}{images}. Reference: *{experiment.against}*. Command: "
        f"`zoo reproduce --experiment {name}`."
    )
    rows = [_row(arm, by_arm[arm.title], by_arm[experiment.against]) for arm in experiment.arms]
    tables = [markdown(HEADINGS, ALIGNMENT, rows)]
    for one in experiment.backgrounds:
        tables += [
            f"{ABOUT_SLACK} Backgrounds: {one.source}{_listed(one.classes)}.",
            markdown(SLACK_HEADINGS, "lrrrrrrr", _slack_rows(by_arm, one.source, experiment.against)),
        ]
    if any(record.pooling for record in found):
        tables += [ABOUT_POOLING, markdown(POOLING_HEADINGS, "lrrrrrr", _pooling_rows(by_arm))]
    return [f"### {experiment.title}", about, *tables]


def _listed(classes: Sequence[str]) -> str:
    return f" ({', '.join(classes)})" if classes else ""


def _slack_rows(by_arm: Mapping[str, Mapping[int, Record]], backgrounds: str, against: str) -> list[list[str]]:
    """Means over the seeds, one row per arm, with paired differences of the areas of `none`."""
    measured = {
        title: {seed: record.slack[backgrounds] for seed, record in records.items() if backgrounds in record.slack}
        for title, records in by_arm.items()
    }
    rows = []
    for title, own in measured.items():
        found = list(own.values())
        other = measured[against]
        differences = [own[seed].none[0] - other[seed].none[0] for seed in sorted(own.keys() & other)]
        rows.append(
            [
                title,
                str(len(found)),
                shown_mean([one.none[0] for one in found], decimals=3),
                "" if title == against else paired_difference(differences, decimals=3),
                shown_mean([one.doubt[0] for one in found], decimals=3),
                shown_mean([one.none_on_object for one in found], decimals=3),
                shown_mean([one.none_on_background for one in found], decimals=3),
                shown_mean([one.pointing[0] for one in found if one.pointing], decimals=3),
            ]
        )
    return rows


def _pooling_rows(by_arm: Mapping[str, Mapping[int, Record]]) -> list[list[str]]:
    """Means over the seeds, one row per arm with sum pooling."""
    rows = []
    for title, records in by_arm.items():
        if found := [record.pooling for record in records.values() if record.pooling]:
            rows.append(
                [
                    title,
                    str(len(found)),
                    shown_mean([one.accuracy for one in found]),
                    shown_mean([one.accuracy_unweighted for one in found]),
                    paired_difference([one.accuracy_unweighted - one.accuracy for one in found]),
                    shown_mean([one.spread for one in found], decimals=3),
                    f"{shown_mean([one.lowest for one in found])}, {shown_mean([one.highest for one in found])}",
                ]
            )
    return rows


def records_by_arm(
    experiment: Experiment, records: Mapping[str, Record], data: str | None = None
) -> dict[str, dict[int, Record]]:
    """Records of each arm by seed, by the arm's title.

    Arguments:
        experiment: the experiment.
        records: all records by name.
        data: short name of the data set; None for the experiment's own.
    """
    sources = {} if data is None else {experiment.data: data}
    return {
        arm.title: {
            seed: records[name]
            for seed in range(arm.seeds or experiment.seeds)
            if (name := experiment.run(arm, seed, sources).name) in records
        }
        for arm in experiment.arms
    }


def differences_by_seed(own: Mapping[int, Record], against: Mapping[int, Record]) -> dict[int, float]:
    """Differences in accuracy between two arms, in percentage points, for their common seeds."""
    return {seed: own[seed].score.accuracy - against[seed].score.accuracy for seed in sorted(own.keys() & against)}


def _row(arm: Arm, own: dict[int, Record], against: dict[int, Record]) -> list[str]:
    if not own:
        return [arm.title, *[""] * (len(HEADINGS) - 1)]
    differences = list(differences_by_seed(own, against).values())
    probes = [record.probe for record in own.values() if record.probe]
    return [
        arm.title,
        shown_mean([record.score.accuracy for record in own.values()]),
        str(len(own)),
        shown_mean([record.score.patch_accuracy for record in own.values()]),
        "" if own is against else paired_difference(differences),
        shown_mean([probe.errors_removed[0] for probe in probes]),
        shown_mean([probe.effects["swapped"].changed[0] for probe in probes]),
        f"{statistics.fmean(record.training.minutes for record in own.values()):.1f}",
        linked_logs(own.values()),
    ]


def paired_difference(differences: Sequence[float], decimals: int = 2) -> str:
    """Mean of paired differences with its 95% interval; no interval for a single pair, empty for none."""
    if not differences:
        return ""
    if (interval := paired_interval(differences)) is None:
        return f"{differences[0]:+.{decimals}f}"
    return f"{interval.value:+.{decimals}f} [{interval.low:+.{decimals}f}, {interval.high:+.{decimals}f}]"


def paired_interval(differences: Sequence[float]) -> Estimate | None:
    """Mean of paired differences with its 95% interval of Student's t; None for fewer than two pairs."""
    if len(differences) < 2:
        return None
    mean = statistics.fmean(differences)
    reach = student_t.ppf(0.975, len(differences) - 1) * statistics.stdev(differences) / math.sqrt(len(differences))
    return Estimate(mean, mean - float(reach), mean + float(reach))
