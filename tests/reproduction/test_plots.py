from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from reproduction.plots import draw_comparison, draw_curves, write_plots
from reproduction.records import Group, Record, read_record, record_of, write_record
from zoo.hub import open_model


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """Of the shipped model."""
    return read_record(write_record(tmp_path / "results", record_of(open_model("wrn16-ours"))))


def another(record: Record, seed: int, **changes: str) -> Record:
    """A record with another seed, one percent better."""
    score = replace(record.score, accuracy=record.score.accuracy + seed)
    training = replace(record.training, recipe=record.training.recipe | {"seed": seed})
    return replace(record, training=training, test={"torch": score}, **changes)


def test_the_plots(record: Record, tmp_path: Path) -> None:
    plots = write_plots(tmp_path, [record, another(record, 0, variant="wrn16")])
    assert [plot.file for plot in plots] == ["results.svg", "results-curves.svg"]
    for plot in plots:
        text = (tmp_path / plot.file).read_text()
        assert ElementTree.fromstring(text).tag.endswith("svg")
        assert ">wrn16<" in text
        assert ">wrn16-ours<" in text
    assert ">cifar10, fast 15 epochs<" in text


def test_the_same_records_make_the_same_bytes(record: Record, tmp_path: Path) -> None:
    written = []
    for _ in range(2):
        plots = write_plots(tmp_path, [record, another(record, 1)])
        written.append([(tmp_path / plot.file).read_bytes() for plot in plots])
    assert written[0] == written[1]


def test_a_point_is_ours_against_the_papers(record: Record) -> None:
    figure = draw_comparison([Group((record, another(record, 1), another(record, 2)))])
    assert figure is not None
    [axes] = figure.axes
    point, *_, diagonal = axes.get_lines()
    assert point.get_xydata().tolist() == [[91.10, pytest.approx(record.score.accuracy + 1)]]
    [[low, high]] = axes.containers[0].lines[2][0].get_segments()
    assert (low[1], high[1]) == pytest.approx((record.score.accuracy, record.score.accuracy + 2))
    assert diagonal.get_xdata().tolist() == diagonal.get_ydata().tolist()
    assert axes.get_title() == "cifar10, fast 15 epochs"


def test_a_curve_is_the_mean_of_the_seeds(record: Record) -> None:
    history = record.training.history | {"accuracy": [0.5] * 15}
    other = another(replace(record, training=replace(record.training, history=history)), 1)
    figure = draw_curves([Group((record, other))])
    assert figure is not None
    [line] = figure.axes[0].get_lines()
    first = record.training.history["accuracy"][0]
    assert line.get_xydata()[0].tolist() == [1, pytest.approx(50 * (first + 0.5))]
    assert len(line.get_xydata()) == 15


def test_without_anything_to_show_nothing_is_written(record: Record, tmp_path: Path) -> None:
    assert write_plots(tmp_path, []) == []
    held_out = replace(record, held_out=record.test, test={})
    assert write_plots(tmp_path, [held_out]) == []
    assert not list(tmp_path.glob("*.svg"))


def test_a_variant_that_the_paper_does_not_have_has_a_curve_only(record: Record, tmp_path: Path) -> None:
    [plot] = write_plots(tmp_path, [replace(record, variant="wrn16-aux")])
    assert plot.file == "results-curves.svg"


def test_an_accuracy_of_all_can_be_drawn(record: Record, tmp_path: Path) -> None:
    history = record.training.history | {"accuracy": [0.0] + [1.0] * 14}
    assert len(write_plots(tmp_path, [replace(record, training=replace(record.training, history=history))])) == 2


def test_the_legend_names_each_variant_once(record: Record) -> None:
    other = replace(record, data="cifar100", variant="wrn16")
    figure = draw_curves([Group((record,)), Group((replace(record, data="cifar100"),)), Group((other,))])
    assert figure is not None
    assert [axes.get_title() for axes in figure.axes] == ["cifar10, fast 15 epochs", "cifar100, fast 15 epochs"]
    [legend] = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["wrn16", "wrn16-ours"]
