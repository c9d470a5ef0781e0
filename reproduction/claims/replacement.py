"""Claim 1b: a softmax with a slack can replace BN-ReLU; from the records of the experiment `softmax`."""

from reproduction.claims.finding import Finding, Number
from reproduction.claims.inputs import ClaimInputs
from reproduction.claims.paired import ExperimentRuns
from reproduction.claims.rules.replacement import CONTROL, EXPERIMENT, MARGIN, MIN_SEEDS, REPLACED, verdict


def measure(inputs: ClaimInputs) -> Finding:
    """Measure claim 1b."""
    runs = ExperimentRuns.read(EXPERIMENT, inputs)
    difference = runs.difference(REPLACED, CONTROL)
    interval, seeds = difference.interval, len(difference.by_seed)
    few = f", of the {MIN_SEEDS} that a verdict needs" if seeds < MIN_SEEDS else ""
    return Finding(
        verdict=verdict(interval, seeds),
        text=(
            f"The softmax minus BN-ReLU, in percentage points: {difference.shown}, with {seeds} paired seeds{few}. "
            "`rn26-softmax` still has batch normalisations elsewhere (before each block, after its first convolution "
            "and before the head), so this does not show that a network can do without batch statistics."
        ),
        measured_on=runs.measured_on,
        numbers=() if interval is None else (Number.of("softmax minus BN-ReLU", interval, 2, " points"),),
        tables=(runs.table((CONTROL,)),),
        raw={"differences": {f"{REPLACED}\nminus {CONTROL}": difference.to_raw()}, "lines": [-MARGIN, 0]},
    )
