"""What a page shows and says, in order; the PNG and the HTML page are two ways to lay it out."""

from typing import NamedTuple

import numpy as np
from PIL import Image

from explain.attributions.grad_cam import LAYER
from explain.cutouts import cut_out_image
from explain.pages.drawing import draw_heatmap, draw_map, draw_numbered_patches
from explain.pages.explanation import Explanation
from explain.pages.image import InputImage
from zoo.outputs import NONE, Array
from zoo.semantic_map import LegendRow, legend_rows


class Tile(NamedTuple):
    """A drawn square with what it is."""

    title: str
    note: str
    image: Image.Image


class Section(NamedTuple):
    """Squares that belong together, and what a person must know to read them."""

    title: str
    text: str
    tiles: tuple[Tile, ...]
    legend: tuple[LegendRow, ...] = ()
    """Of the map."""


_SHARES = {
    "semantic block": "The network matches every patch with one template a class before its last stage. The map gives "
    "each patch the colour of the class with the largest share in it; the larger the share, the stronger the colour.",
    "auxiliary head": "This variant has no semantic block. Its patches were trained with the image's label, so each "
    "can be asked for its class: the map shows the soft-max of these patch logits.",
    "class activation map": "This variant has neither a semantic block nor training of its patches. The map shows the "
    "soft-max of its class activation map: its last layer, asked at every location.",
}


def build_sections(image: InputImage, explanation: Explanation, baseline_note: str) -> tuple[Section, ...]:
    """The sections of an image's page.

    Arguments:
        image: the one explained.
        explanation: of the network's answer.
        baseline_note: why there is no baseline, if there is none.
    """
    return (
        _overview(image, explanation),
        _class_maps(image, explanation),
        _effects(image, explanation),
        _patches(image, explanation),
        _comparison(image, explanation, baseline_note),
    )


def _overview(image: InputImage, explanation: Explanation) -> Section:
    width, height = image.original.size
    side = image.pixels.shape[-1]
    rows, columns = explanation.parts.shape
    patches = explanation.strongest_patches()
    tiles = (
        Tile("Image", f"the centred square of {width} x {height} pixels; the network sees it at {side} x {side}",
             image.square),
        Tile("What each patch looks like", f"{rows} x {columns} patches", draw_map(image, explanation.shares)),
        Tile("Strongest patches", f"largest shares of {_answer(explanation)}; cut out below",
             draw_numbered_patches(image, (rows, columns), patches)),
    )  # fmt: skip
    legend = legend_rows(explanation.shares, explanation.classes)
    shown = legend if explanation.has_none else legend[:-1]
    around = "By then a patch knows its surroundings too: sky beside a bird may look like a bird."
    return Section("What the network sees", f"{_SHARES[explanation.source]} {around}", tiles, tuple(shown))


def _class_maps(image: InputImage, explanation: Explanation) -> Section:
    names = [*explanation.classes, NONE]
    shown = [*explanation.shown_classes, len(explanation.classes)][: None if explanation.has_none else -1]
    tiles = tuple(
        Tile(names[index], f"mean share {share.mean():.0%}, at most {share.max():.0%}", draw_heatmap(image, share, 1.0))
        for index, share in ((index, explanation.shares[index]) for index in shown)
    )
    none = (
        f"The last map, {NONE}, shows what matches no class."
        if explanation.has_none
        else f"There is no map of what matches no class ({NONE}): only variants with a semantic block have it."
    )
    text = "The shares of the answer and of the strongest other classes. No colour: none of it; full orange: all of it."
    return Section("Class by class", f"{text} {none}", tiles)


def _effects(image: InputImage, explanation: Explanation) -> Section:
    answer, parts, falls = _answer(explanation), explanation.parts, explanation.occlusion
    text = (
        f"The network answers {answer} because that class's score, its logit, is the highest: {explanation.logit:.2f}. "
        "Orange patches speak for the answer, blue ones against it. The maps answer two questions, so they may differ."
    )
    exact = (
        f"What each location of the last layer adds to the logit, exactly: the {parts.size} parts sum to "
        f"{parts.sum():.2f}, with the bias {explanation.bias:+z.2f} to the logit. A location has gathered from around "
        f"it. From {parts.min():+z.2f} to {parts.max():+z.2f}."
    )
    covered = (
        "An experiment: each patch in turn is covered with the image's mean colour. Orange where the logit falls, "
        f"blue where it rises. These do not sum to anything. From {falls.min():+z.2f} to {falls.max():+z.2f}."
    )
    return Section("What moved the answer", text, (
        Tile("Exact parts of the logit", exact, draw_heatmap(image, parts, _largest(parts))),
        Tile("Covering each patch", covered, draw_heatmap(image, falls, _largest(falls))),
    ))  # fmt: skip


def _patches(image: InputImage, explanation: Explanation) -> Section:
    shares = explanation.shares[explanation.predicted]
    tiles = tuple(
        Tile(
            f"{number}. row {place[0]}, column {place[1]}",
            f"share {shares[place]:.0%}; adds {explanation.parts[place]:+z.2f}; "
            f"covered, the logit changes by {-explanation.occlusion[place]:+z.2f}",
            cut_out_image(image.original, image.box, shares.shape, place),
        )
        for number, place in enumerate(explanation.strongest_patches(), start=1)
    )
    text = (
        f"The patches with the largest share of {_answer(explanation)}, framed, with those around them. Rows and "
        "columns count from 0 at the top left, as for zoo similar --patch."
    )
    return Section("The strongest patches", text, tiles)


def _comparison(image: InputImage, explanation: Explanation, baseline_note: str) -> Section:
    answer, baseline = _answer(explanation), explanation.baseline
    grad = (
        f"The features of {LAYER}, the last convolutions before the head, weighted by the logit's gradients; scaled "
        "to the largest."
    )
    tiles = [Tile("Grad-CAM of the same network", grad, draw_heatmap(image, explanation.grad_cam, 1.0))]
    if baseline is not None:
        said = f"It answers {baseline.answer.label} ({baseline.answer.probability:.0%})."
        note = f"What each location adds to its logit of {answer}. {said}"
        title = f"Class activation map of {baseline.name}"
        tiles.insert(0, Tile(title, note, draw_heatmap(image, baseline.parts, _largest(baseline.parts))))
    text = f"Other ways to ask which places matter for {answer}, for comparison."
    return Section("For comparison", text if baseline else f"{text} {baseline_note}", tuple(tiles))


def _answer(explanation: Explanation) -> str:
    return explanation.classes[explanation.predicted]


def _largest(values: Array) -> float:
    return float(np.abs(values).max())
