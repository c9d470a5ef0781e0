"""Comparison of the contenders for one variant and batch size: building, checking and timing."""

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray
from peers.budget import interrupted_after
from peers.contenders import Call, Contender
from peers.machine import Roofline
from peers.subject import Subject
from peers.turns import Times, in_turn, ratios

from zoo.images.preprocess import Pixels

SINGLE = ("fp32", "tf32")
"""Precisions whose class logits must agree with eager's."""

LARGEST_ERROR = 0.01
"""Tolerance of these class logits, relative to eager's largest; beyond it, the network is a different one."""


@dataclass(slots=True)
class Measured:
    """Measurements with one batch."""

    batch: int
    times: Times = field(default_factory=dict)
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Precision, multiply-adds of an image, setting, seconds to build and call once, logits' error; by contender."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Reasons, by contender."""


def compare(
    subject: Subject,
    contenders: Iterable[Contender],
    pixels: Pixels,
    repeats: int,
    progress: Callable[[str], None],
    build_seconds: float | None = None,
) -> Measured:
    """Time the contenders on the same pixels.

    Arguments:
        subject: the variant with its files.
        contenders: contenders, of which the first is the reference; those that fail are skipped, unless required.
        pixels: the batch [N, 3, S, S].
        repeats: number of turns.
        progress: called with a description of each step.
        build_seconds: time after which a contender that is not ready is skipped, unless required; None for no limit.
    """
    measured = Measured(len(pixels))
    calls: dict[str, Call] = {}
    expected: NDArray[np.float32] | None = None
    for contender in contenders:
        if find_spec(contender.package) is None:
            measured.left_out[contender.name] = f"{contender.package} is not installed"
            continue
        progress(f"batches of {len(pixels)}, building {contender.name}")
        try:
            with interrupted_after(None if contender.required else build_seconds):
                call, facts, logits = _set_up(contender, subject, pixels)
        except Exception as error:  # peers' exceptions have no common base class
            if contender.required:
                raise
            measured.left_out[contender.name] = f"{type(error).__name__}: {str(error).partition(chr(10))[0][:200]}"
            continue
        if not contender.ordinary:
            expected = logits if expected is None else expected
            difference = float(np.abs(logits - expected).max() / np.abs(expected).max())
            facts["logits_error"] = difference
            if not difference <= LARGEST_ERROR and facts["precision"] in SINGLE:
                measured.left_out[contender.name] = f"its logits differ from PyTorch's by {difference:.1%}"
                continue
        calls[contender.name], measured.facts[contender.name] = call, facts
    progress(f"batches of {len(pixels)}, taking turns")
    measured.times = in_turn({name: partial(call, pixels) for name, call in calls.items()}, repeats)
    return measured


def _set_up(contender: Contender, subject: Subject, pixels: Pixels) -> tuple[Call, dict[str, Any], NDArray[np.float32]]:
    """A contender's call, facts about it, and its class logits."""
    started = time.perf_counter()
    call, setting = contender.build(subject, pixels)
    answer = call(pixels)
    taken = time.perf_counter() - started
    work = subject.ordinary.multiply_adds if contender.ordinary and subject.ordinary else subject.multiply_adds
    facts = {
        "precision": contender.precision_on(subject.device),
        "multiply_adds": work,
        "setting": setting,
        "setup_seconds": round(taken, 3),
    }
    return call, facts, np.asarray(answer[0])


def summary(subject: Subject, measured: Measured, roofline: Roofline) -> dict[str, Any]:
    """Measurements with one batch as JSON: raw seconds and derived values."""
    images, rows = measured.batch, {}
    intensity = images * subject.multiply_adds / subject.least_bytes(images)
    reference = next(iter(measured.times.values()))
    for name, times in measured.times.items():
        facts, median = measured.facts[name], statistics.median(times)
        speed = images * facts["multiply_adds"] / median
        rows[name] = facts | {
            "median_seconds": median,
            "images_per_second": round(images / median, 2),
            "of_peak": round(speed / roofline.limit(facts["precision"], intensity), 4),
            "times_eager": ratios(reference, times),
            "seconds": times,
        }
    return {
        "multiply_adds_per_byte": round(intensity, 1),
        "limited_by_memory": roofline.limit("fp32", intensity) < roofline.limit("fp32", float("inf")),
        "contenders": rows,
        "left_out": measured.left_out,
    }
