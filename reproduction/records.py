"""Records of runs: settings and measurements from a model directory, as one compact JSON file of a few kB.

Records are kept in the repository even when model directories are not; they are the logs that results link to.
"""

import json
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import Field, TypeAdapter, ValidationError

from training import recipes
from zoo.errors import ZooError, reason_of
from zoo.files import invalid_fields, write_atomically
from zoo.package import METRICS_FILE, Package
from zoo.package.metrics import HELD_OUT_SHARE, Count, Machine, Score, read_metrics
from zoo.package.pooling import PoolingProbe, read_pooling
from zoo.package.probe import Probe, read_probe
from zoo.package.slack import SlackMeasurement, read_slack

RECORDS = "results"
"""Folder of the records, within that of the results."""


class RecordError(ZooError, ValueError):
    """A record that is damaged, or belongs to another run."""


@dataclass(frozen=True, slots=True)
class RecordedTraining:
    """How a run was trained."""

    images: Count
    recipe: dict[str, Any]
    """Fields of `training.recipe.Recipe` at the time."""
    minutes: Annotated[float, Field(ge=0)]
    machine: Machine
    history: dict[str, list[float]]
    """Columns with one value per epoch: `epoch`, `input_size`, and on the augmented training images `loss`, `accuracy`
    and `patch_accuracy` (shares in 0..1)."""
    recipe_name: str | None = None
    held_out: Annotated[float, Field(ge=0, lt=1)] = HELD_OUT_SHARE
    """Share of the training split that was held out, if the record has scores on `held-out` images."""
    limit: Count | None = None
    """Limit on the number of training images; None for all."""

    def __post_init__(self) -> None:
        for name in ("epochs", "seed"):
            if not isinstance(self.recipe.get(name), int):
                raise ValueError(f"recipe.{name} = {self.recipe.get(name)!r}: expected a whole number")
        lengths = {name: len(column) for name, column in self.history.items()}
        if not lengths.keys() >= {"epoch", "input_size", "accuracy"} or set(lengths.values()) != {
            self.recipe["epochs"]
        }:
            raise ValueError(
                f"history: expected epoch, input_size and accuracy of {self.recipe['epochs']} epochs, got {lengths}"
            )


@dataclass(frozen=True, slots=True)
class Record:
    """One run: its settings and results."""

    name: str
    variant: str
    data: str
    weights_sha256: str
    training: RecordedTraining
    changes: dict[str, Any] = field(default_factory=dict)
    """Changes to the recipe of that name, except the seed."""
    test: dict[str, Score] = field(default_factory=dict)
    held_out: Annotated[dict[str, Score], Field(alias="held-out")] = field(default_factory=dict)
    probe: Probe | None = None
    """Whether the network uses its semantic block; None if it has none."""
    pooling: PoolingProbe | None = None
    """What generalised sum pooling does by leaving patches out; None for global average pooling."""
    slack: dict[str, SlackMeasurement] = field(default_factory=dict)
    """Whether `none` marks background, by backgrounds; empty if not measured."""
    at_once: Count = 1
    """Number of concurrent runs on the device; with several, each takes more minutes."""

    def __post_init__(self) -> None:
        if "torch" not in (self.held_out or self.test):
            raise ValueError("expected an accuracy through torch, on the test split or on held-out images")

    @property
    def hold_out(self) -> float:
        """Share of the training split that was held out and measured; 0 if the test split was measured."""
        return self.training.held_out if self.held_out else 0.0

    @property
    def score(self) -> Score:
        """Score on the held-out images if there are any, otherwise on the test split."""
        return (self.held_out or self.test)["torch"]

    @property
    def seed(self) -> int:
        return int(self.training.recipe["seed"])

    @property
    def epochs(self) -> int:
        return int(self.training.recipe["epochs"])

    @property
    def pixels(self) -> str:
        """Sides of the training images over the epochs, such as `16-24-32`."""
        return "-".join(f"{side:.0f}" for side in dict.fromkeys(self.training.history["input_size"]))

    @property
    def settings(self) -> dict[str, Any]:
        """Recipe without its seed."""
        return {name: value for name, value in self.training.recipe.items() if name != "seed"}


_adapter = TypeAdapter(Record)


def run_name(
    variant: str,
    data: str,
    recipe_name: str | None,
    changes: Mapping[str, Any],
    hold_out: float,
    seed: int,
    limit: int | None = None,
) -> str:
    """Name of a run and its record, readable and usable as a file name.

    Arguments:
        variant: variant to train.
        data: short name of the data set.
        recipe_name: name of the recipe; None for a recipe without a name.
        changes: changes to that recipe.
        hold_out: share of the training split to hold out and measure on; 0 for none.
        seed: seed of the run.
        limit: limit on the number of training images; None for all.
    """
    parts = [variant, data, *filter(None, [recipe_name]), *(f"{key}={shown(changes[key])}" for key in sorted(changes))]
    if limit is not None:
        parts.append(f"images={limit}")
    if hold_out:
        parts.append("held-out" if hold_out == HELD_OUT_SHARE else f"held-out={shown(hold_out)}")
    return ".".join([*parts, f"seed{seed}"])


def shown(value: Any) -> str:
    """A recipe's value in readable form: `0.1`, `softmax`, `0.5-0.75-1`."""
    if isinstance(value, list | tuple):
        return "-".join(map(shown, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def record_of(package: Package) -> dict[str, Any]:
    """Record of the run that wrote a model directory.

    Raises:
        RecordError: its `metrics.json` has no training record, or no accuracy yet.
        PackageError: its `metrics.json` is not valid.
    """
    where, metrics, config = package.path / METRICS_FILE, package.metrics(), package.config
    if not read_metrics(package).training:
        raise RecordError(f"{where} has no record of the training of {config.name}; train it again with zoo train")
    training = metrics["training"]
    history = training.get("history") or [{}]
    training = training | {"history": {name: [epoch.get(name) for epoch in history] for name in history[0]}}
    recipe_name, recipe = training.get("recipe_name"), training["recipe"]
    changes = _changes(recipe_name, recipe) if recipe_name else {}
    # A run is represented by its score through PyTorch; those of its files are in the model directory.
    found = {split: metrics.get(split, {}).get("torch") for split in ("test", "held-out")}
    scores = {split: {"torch": score} for split, score in found.items() if score}
    hold_out = training.get("held_out", HELD_OUT_SHARE) if "held-out" in scores else 0.0
    limit, seed = training.get("limit"), recipe.get("seed", 0)
    name = run_name(config.variant, config.data, recipe_name, changes, hold_out, seed, limit)
    record = config.identity() | {"name": name, "changes": changes, "training": training} | scores
    if probe := read_probe(package).get("torch"):
        record["probe"] = asdict(probe)
    if pooling := read_pooling(package):
        record["pooling"] = asdict(pooling)
    if slack := read_slack(package):
        record["slack"] = {name: asdict(one) for name, one in slack.items()}
    parse_record(json.dumps(record), str(where))
    return record


def write_record(folder: Path, record: Mapping[str, Any]) -> Path:
    """Write a record as `folder/NAME.json` atomically; returns the file."""
    file = folder / f"{record['name']}.json"
    text = json.dumps(record, separators=(",", ":"), ensure_ascii=False)
    write_atomically(file, f"{text}\n".encode())
    return file


def parse_record(text: str | bytes, where: str) -> Record:
    """Read and check a record's JSON.

    Raises:
        RecordError: it is not a valid record; names `where` and the field.
    """
    try:
        return _adapter.validate_json(text)
    except ValidationError as error:
        problems = "; ".join(invalid_fields(error))
        raise RecordError(f"{where} is not the record of a run: {problems}; restore it or repeat the run") from None


def read_record(file: Path) -> Record:
    """Read and check a record.

    Raises:
        RecordError: it cannot be read, is not a record, or has another name than its file; names file and field.
    """
    try:
        record = parse_record(file.read_bytes(), str(file))
    except OSError as error:
        raise RecordError(f"cannot read the record {file}: {reason_of(error)}") from None
    if record.name != file.stem:
        raise RecordError(f"{file} is the record of {record.name}; rename it to {record.name}.json")
    return record


def read_records(folder: Path) -> list[Record]:
    """All records in a folder, by name; empty if it does not exist."""
    return [read_record(file) for file in sorted(folder.glob("*.json"))]


def _changes(recipe_name: str, recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Fields in which a recipe read from JSON differs from the current recipe of its name."""
    named = json.loads(json.dumps(asdict(recipes.get(recipe_name))))
    if not named.get("input_size"):
        named.pop("input_size", None)  # it was taken from the images
    return {key: value for key, value in recipe.items() if key != "seed" and named.get(key, value) != value}


@dataclass(frozen=True, slots=True)
class Group:
    """Runs that differ only in the seed, a row of the table."""

    records: tuple[Record, ...]
    """At least one record, by seed."""

    @property
    def first(self) -> Record:
        return self.records[0]

    def key(self, without: tuple[str, ...] = ()) -> str:
        """Common settings of the runs as text, equal for groups that differ only in `without`.

        Arguments:
            without: `variant`, or fields of the recipe.
        """
        first = self.first
        common = {"variant": first.variant, "data": first.data, "held_out": bool(first.held_out)}
        common |= {"images": first.training.images, "recipe_name": first.training.recipe_name, **first.settings}
        return json.dumps({name: value for name, value in common.items() if name not in without}, sort_keys=True)

    @property
    def accuracies(self) -> list[float]:
        """In percent, by seed."""
        return [record.score.accuracy for record in self.records]

    @property
    def patch_accuracies(self) -> list[float]:
        """In percent, by seed."""
        return [record.score.patch_accuracy for record in self.records]


def grouped(records: Iterable[Record]) -> list[Group]:
    """Group records that differ only in the seed, shortest training first.

    Raises:
        RecordError: two records are of the same run, which would count twice.
    """
    groups: dict[str, dict[int, Record]] = {}
    for record in records:
        members = groups.setdefault(Group((record,)).key(), {})
        if other := members.get(record.seed):
            raise RecordError(f"the records {other.name} and {record.name} are of the same run; remove one of them")
        members[record.seed] = record
    made = [Group(tuple(members[seed] for seed in sorted(members))) for members in groups.values()]
    return sorted(made, key=lambda group: (group.first.epochs, group.first.name))


def mean_and_deviation(values: list[float]) -> tuple[float, float | None]:
    """Mean, and standard deviation of the sample (n - 1); None for a single value."""
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None


def shown_mean(values: list[float], sign: str = "", decimals: int = 2) -> str:
    """Mean ± standard deviation; without the deviation for a single value."""
    if not values:
        return ""
    mean, deviation = mean_and_deviation(values)
    return f"{mean:{sign}.{decimals}f}" + ("" if deviation is None else f" ± {deviation:.{decimals}f}")


def linked_logs(records: Iterable[Record]) -> str:
    """Markdown links to records, labelled with their seeds, for a document beside the records' folder."""
    return " ".join(f"[{record.seed}]({RECORDS}/{quote(record.name, safe='=')}.json)" for record in records)
