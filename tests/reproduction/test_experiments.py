import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from reproduction.experiment_table import experiment_sections, paired_difference
from reproduction.experiments import EXPERIMENTS, experiment, plan_experiments
from reproduction.plan import Run
from reproduction.records import Record, grouped, parse_record
from training import recipes
from zoo.errors import InputError, UnknownNameError
from zoo.package.pooling import PoolingProbe
from zoo.registry import info


def test_the_plan_takes_the_first_seed_of_every_arm_first() -> None:
    feedback = experiment("feedback")
    runs = plan_experiments(["feedback"], None, [])
    assert len(runs) == len(set(runs)) == 4 * 8 + 4 * 4
    assert [run.seed for run in runs[: len(feedback.arms)]] == [0] * len(feedback.arms)
    assert {(run.hold_out, run.limit) for run in runs} == {(0.4, 10_000)}
    assert all(info(run.variant) for run in runs)


def test_fewer_seeds_and_data_elsewhere() -> None:
    runs = plan_experiments(["feedback"], 1, ["/somewhere/cifar10"])
    assert len(runs) == len(experiment("feedback").arms)
    assert {run.source for run in runs} == {"/somewhere/cifar10"}
    changes = "crop_padding=0.epochs=20.flip=none.growth=1"
    assert runs[0].name == f"wrn16.cifar10.fast.{changes}.images=10000.held-out=0.4.seed0"
    assert runs[0].arguments()[-4:] == ["--hold-out", "0.4", "--limit", "10000"]


def test_bad_questions() -> None:
    with pytest.raises(UnknownNameError, match="feedback"):
        plan_experiments(["feedbak"], None, [])
    with pytest.raises(InputError, match="cifar100"):
        plan_experiments(["feedback"], None, ["cifar100"])
    with pytest.raises(InputError, match="seeds = 0"):
        plan_experiments(["feedback"], 0, [])


def test_every_arm_is_compared_with_one_that_there_is() -> None:
    for one in EXPERIMENTS.values():
        titles = [arm.title for arm in one.arms]
        assert one.against in titles
        assert len(set(titles)) == len(titles)


def test_every_arm_changes_what_its_recipe_has() -> None:
    """And has a name of its own, or its record would be taken for another arm's."""
    for one in EXPERIMENTS.values():
        runs = one.plan(1)
        assert len({run.name for run in runs}) == len(one.arms)
        for run in runs:
            replace(recipes.get(run.recipe_name), **dict(run.changes))


def test_experiments_share_their_runs() -> None:
    runs = plan_experiments(["feedback", "block"], 2, [])
    assert len(runs) == 2 * (len(experiment("feedback").arms) + len(experiment("block").arms) - 2)


def test_of_shared_runs_the_measured_one_is_planned() -> None:
    for names in (["feedback", "slack"], ["slack", "feedback"]):
        runs = plan_experiments(names, 1, [])
        ours = [run for run in runs if run.name == experiment("slack").plan(1)[0].name]
        assert [[one.source for one in run.backgrounds] for run in ours] == [["textures", "cifar100"]]


def test_data_sets_are_those_of_the_backgrounds_too(tmp_path: Path) -> None:
    folder = tmp_path / "cifar100"
    run = experiment("slack").plan(1, {"cifar100": str(folder)})[0]
    assert run.source == "cifar10"
    assert [one.source for one in run.backgrounds] == ["textures", str(folder)]
    foreign = run.measurements("model")[-1]
    assert foreign[foreign.index("--backgrounds") + 1] == str(folder)
    assert "cloud" in foreign[foreign.index("--background-classes") + 1].split(",")
    with pytest.raises(InputError, match="uses cifar100"):
        plan_experiments(["feedback"], 1, ["cifar100"])


def test_a_paired_difference() -> None:
    assert paired_difference([]) == ""
    assert paired_difference([1.0]) == "+1.00"
    reach = 12.706 * math.sqrt(2) / math.sqrt(2)
    assert paired_difference([0.0, 2.0]) == f"+1.00 [{1 - reach:+.2f}, {1 + reach:+.2f}]"


def make_record(title: str, accuracy: float, seed: int) -> Record:
    feedback = experiment("feedback")
    [arm] = [arm for arm in feedback.arms if arm.title == title]
    return make_record_of(feedback.run(arm, seed), accuracy)


def make_record_of(run: Run, accuracy: float) -> Record:
    recipe = {**dict(run.changes), "epochs": 20, "seed": run.seed}
    training = {
        "images": 10_000,
        "recipe": recipe,
        "minutes": 1.0,
        "machine": {"device": "CPU"},
        "history": {name: [32] * 20 for name in ("epoch", "input_size", "accuracy")},
        "recipe_name": run.recipe_name,
        "held_out": 0.4,
        "limit": 10_000,
    }
    score = {"torch": {"images": 20_000, "accuracy": accuracy, "patch_accuracy": 50.0}}
    value = {"name": run.name, "variant": run.variant, "data": run.data, "weights_sha256": "0", "training": training}
    record = parse_record(json.dumps(value | {"held-out": score, "changes": dict(run.changes)}), "here")
    run.check(record)
    return record


def test_the_table() -> None:
    records = [make_record("aux", 75.0 + seed, seed) for seed in range(2)]
    records += [make_record("plain", 74.0, 0), make_record("ours", 76.0, 1)]
    _, heading, about, table, *_ = experiment_sections(grouped(records))
    assert heading == "### What does the feedback add to the supervision?"
    assert "10,000 training and 20,000 held-out images" in about
    rows = {line.split(" | ")[0].strip("| "): line.split(" | ")[1:5] for line in table.splitlines()[2:]}
    assert rows["aux"] == ["75.50 ± 0.71", "2", "50.00 ± 0.00", ""]
    assert rows["plain"] == ["74.00", "1", "50.00", "-1.00"]
    assert rows["ours"] == ["76.00", "1", "50.00", "+0.00"]
    assert rows["ours, lambda 0, no interchange"] == ["", "", "", ""]
    assert f"[1](results/{records[-1].name}.json)" in table


def test_what_the_pooling_does_has_a_table_of_its_own() -> None:
    def pooled(seed: int, unweighted: float) -> Record:
        run = experiment("gsp").run(experiment("gsp").arms[1], seed)
        probe = PoolingProbe(
            *("cifar10", "held-out", 5000, 0, "0", 70.0, unweighted, (unweighted - 70, 0, 0), (9, 8, 10)),
            *(0.25 + 0.1 * seed, 0.5, 2.0),
        )
        assert ["probe", "MODEL", "--data", "cifar10", "--record", "--images", "5000"] in run.measurements("MODEL")
        made = make_record_of(run, 70.0)
        return replace(made, pooling=probe)

    text = "\n".join(experiment_sections(grouped([pooled(0, 69.0), pooled(1, 67.0)])))
    assert "| plain, sum pooling | 2 | 70.00 ± 0.00 | 68.00 ± 1.41 | -2.00 [" in text
    assert "| 0.300 ± 0.071 | 0.50 ± 0.00, 2.00 ± 0.00 |" in text
