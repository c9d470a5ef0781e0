"""Claim 2: plain < aux < ours; from the records of the experiment `feedback`."""

from reproduction.claims.finding import Finding, Number
from reproduction.claims.inputs import ClaimInputs
from reproduction.claims.paired import ExperimentRuns
from reproduction.claims.rules.order import AUX, EXPERIMENT, MIN_SEEDS, OURS, PLAIN, STEPS, verdict


def measure(inputs: ClaimInputs) -> Finding:
    """Measure claim 2."""
    runs = ExperimentRuns.read(EXPERIMENT, inputs)
    steps = {step: runs.difference(*step) for step in STEPS}
    intervals = {step: difference.interval for step, difference in steps.items()}
    seeds = {step: len(difference.by_seed) for step, difference in steps.items()}
    found = "; ".join(
        f"{own} minus {other} is {steps[own, other].shown} points with {seeds[own, other]} paired seeds"
        for own, other in STEPS
    )
    few = f" A verdict needs {MIN_SEEDS} seeds." if min(seeds.values()) < MIN_SEEDS else ""
    controls = {title: runs.difference(title, AUX) for title in runs.by_arm if title not in (PLAIN, AUX, OURS)}
    return Finding(
        verdict=verdict(intervals, seeds),
        text=f"{found[0].upper()}{found[1:]}.{few}",
        measured_on=runs.measured_on,
        numbers=tuple(
            Number.of(f"{own} minus {other}", interval, 2, " points")
            for (own, other), interval in intervals.items()
            if interval is not None
        ),
        tables=(runs.table((AUX, PLAIN)),),
        raw={
            "differences": {f"{own} minus {other}": difference.to_raw() for (own, other), difference in steps.items()}
            | {f"{title}, minus {AUX}": difference.to_raw() for title, difference in controls.items()},
            "lines": [0],
        },
    )
