"""Cost of the semantic block: a variant with it compared with the plain one, both with our predictor."""

import statistics
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from peers.machine import describe
from peers.subject import SIDE, Subject
from peers.turns import in_turn, ratios

from zoo.predictors.onnx import OnnxPredictor
from zoo.registry import info
from zoo.runtime import Device

PAIRS = {"rn26-ours": "rn26", "wrn16-ours": "wrn16"}
"""Variants with the block, and the same networks without."""
BATCH = 64


def measure_semantics(variant: str, device: Device, threads: int, repeats: int) -> dict[str, Any]:
    """Time a variant of `PAIRS` and its plain counterpart in turns, in fp32; returns JSON."""
    plain, machine = PAIRS[variant], describe(device, threads)
    pixels = np.random.default_rng(0).integers(0, 256, (BATCH, 3, SIDE, SIDE), dtype=np.uint8)
    calls = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in (variant, plain):
            subject = Subject(name, Path(folder), device, threads)
            subject.write_ours("fp32")
            calls[name] = partial(OnnxPredictor(subject.files["fp32"].path, device, threads), pixels)
        times = in_turn(calls, repeats)
    ours, other = times[variant], times[plain]
    return {
        "machine": machine,
        "plain": plain,
        "batch": BATCH,
        "multiply_adds_ratio": round(info(variant).multiply_adds / info(plain).multiply_adds, 4),
        "ratio": round(statistics.median(ours) / statistics.median(other), 4),
        "range": ratios(ours, other)[1:],
        "seconds": times,
    }
