"""Content of a page, which the HTML page and the PNG sheet lay out."""

from typing import NamedTuple

import numpy as np
from PIL import Image

from explain.attributions.grad_cam import LAYER
from explain.pages.drawing import draw_heatmap, draw_map, draw_numbered_patches
from explain.pages.explanation import Explanation
from explain.pages.image import InputImage
from zoo.cutouts import cut_out_image
from zoo.outputs import NONE, Array
from zoo.semantic_map import LegendRow, legend_rows


class Tile(NamedTuple):
    """Image with a title and a note."""

    title: str
    note: str
    image: Image.Image


class Section(NamedTuple):
    """Group of images, with the text to understand them."""

    title: str
    text: str
    tiles: tuple[Tile, ...]
    legend: tuple[LegendRow, ...] = ()
    """Legend of the map."""


_SHARES = {
    "semantic block": "Before its last stage, the network matches every patch with one template per class. On the map, "
    "each patch has the colour of the class with the largest share; the larger the share, the stronger the colour.",
    "auxiliary head": "This variant has no semantic block. Its patches were trained with the image label, so that each "
    "can be classified: the map shows the softmax of these patch logits.",
    "class activation map": "This variant has neither a semantic block nor patch supervision. The map shows the "
    "softmax of its class activation map, which is its classifier applied at every location.",
}


def build_sections(image: InputImage, explanation: Explanation, baseline_note: str) -> tuple[Section, ...]:
    """Build the sections of an image's page.

    Arguments:
        image: image that is explained.
        explanation: explanation of the network's prediction.
        baseline_note: reason why there is no baseline, if there is none.
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
        Tile("Image", f"central square of {width} x {height} pixels; network input: {side} x {side}",
             image.square),
        Tile("Semantic map", f"{rows} x {columns} patches", draw_map(image, explanation.shares)),
        Tile("Strongest patches", f"largest shares of {explanation.explained_class}; enlarged below",
             draw_numbered_patches(image, (rows, columns), patches)),
    )  # fmt: skip
    legend = legend_rows(explanation.shares, explanation.classes)
    shown = legend if explanation.has_none else legend[:-1]
    around = "At this depth a patch also reflects its surroundings: sky next to a bird may look like a bird."
    return Section("What the network sees", f"{_SHARES[explanation.source]} {around}", tiles, tuple(shown))


def _class_maps(image: InputImage, explanation: Explanation) -> Section:
    names = [*explanation.classes, NONE]
    shown = [*explanation.shown_classes, len(explanation.classes)][: None if explanation.has_none else -1]
    tiles = tuple(
        Tile(names[index], f"mean share {share.mean():.0%}, maximum {share.max():.0%}", draw_heatmap(image, share, 1.0))
        for index, share in ((index, explanation.shares[index]) for index in shown)
    )
    none = (
        f"The last map, {NONE}, shows the share that matches no class."
        if explanation.has_none
        else f"There is no map of {NONE}, the share that matches no class: it requires a semantic block."
    )
    first = explanation.explained_class
    if explanation.explained != explanation.predicted:
        first += f", of the answer, {names[explanation.predicted]},"
    text = f"Shares of {first} and of the strongest other classes, from 0 (no colour) to 1 (full orange)."
    return Section("Class by class", f"{text} {none}", tiles)


def _effects(image: InputImage, explanation: Explanation) -> Section:
    own, parts, falls = explanation.explained_class, explanation.parts, explanation.occlusion
    logit, largest = (explanation.logits[index] for index in (explanation.explained, explanation.predicted))
    answer = explanation.classes[explanation.predicted]
    reason = (
        f"The network predicts {own} because the logit of this class is the largest: {logit:.2f}."
        if own == answer
        else f"The logit of {own} is {logit:.2f}. The network predicts {answer}, whose logit is the largest: "
        f"{largest:.2f}."
    )
    text = (
        f"{reason} Orange patches support {own}, blue ones oppose it. The two maps measure different things and may "
        "differ."
    )
    exact = (
        f"Exact contribution of each location of the last layer: the {parts.size} contributions sum to "
        f"{parts.sum():.2f}, and with the bias of {explanation.bias:+z.2f} to the logit. A location also depends on "
        f"its surroundings. Range: {parts.min():+z.2f} to {parts.max():+z.2f}."
    )
    covered = (
        "Each patch in turn is covered with the image's mean colour: orange where the logit falls, blue where it "
        f"rises. These values do not sum to the logit. Range: {falls.min():+z.2f} to {falls.max():+z.2f}."
    )
    return Section(f"What supports {own}, and what opposes it", text, (
        Tile("Contributions to the logit", exact, draw_heatmap(image, parts, _largest(parts))),
        Tile("Occlusion", covered, draw_heatmap(image, falls, _largest(falls))),
    ))  # fmt: skip


def _patches(image: InputImage, explanation: Explanation) -> Section:
    shares = explanation.shares[explanation.explained]
    tiles = tuple(
        Tile(
            f"{number}. row {place[0]}, column {place[1]}",
            f"share {shares[place]:.0%}; contributes {explanation.parts[place]:+z.2f}; "
            f"when covered, the logit changes by {-explanation.occlusion[place]:+z.2f}",
            cut_out_image(image.original, image.box, shares.shape, place),
        )
        for number, place in enumerate(explanation.strongest_patches(), start=1)
    )
    text = (
        f"The patches with the largest shares of {explanation.explained_class}, framed, with their neighbours, which "
        "are not chosen again. Rows and columns start at 0 at the top left, as for zoo search --patch."
    )
    return Section("The strongest patches", text, tiles)


def _comparison(image: InputImage, explanation: Explanation, baseline_note: str) -> Section:
    own, baseline = explanation.explained_class, explanation.baseline
    grad = (
        f"Features of {LAYER}, the last convolutions before the head, weighted by the gradients of the logit; scaled "
        "to the maximum."
    )
    tiles = [Tile("Grad-CAM of the same network", grad, draw_heatmap(image, explanation.grad_cam, 1.0))]
    if baseline is not None:
        said = f"It predicts {baseline.answer.label} ({baseline.answer.probability:.0%})."
        note = f"Contribution of each location to its logit of {own}. {said}"
        title = f"Class activation map of {baseline.name}"
        tiles.insert(0, Tile(title, note, draw_heatmap(image, baseline.parts, _largest(baseline.parts))))
    text = f"Other methods to locate the evidence for {own}."
    return Section("For comparison", text if baseline else f"{text} {baseline_note}", tuple(tiles))


def _largest(values: Array) -> float:
    return float(np.abs(values).max())
