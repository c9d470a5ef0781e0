"""Claim 5: inference needs only convolutions, softmax and matrix products, by the operators of exported networks."""

from collections import Counter
from pathlib import Path
from typing import Any

from reproduction.claims.finding import ClaimsError, Finding, FindingTable, Number, Verdict
from reproduction.claims.inputs import ClaimInputs
from zoo.errors import MissingDependencyError
from zoo.extras import require
from zoo.registry import info

PAIRS = (("rn26", "rn26-ours"), ("wrn16", "wrn16-ours"))
"""Pairs of a plain network and the same with the block."""

KINDS = {
    "convolution or matrix product": {"Conv", "Gemm", "MatMul"},
    "softmax": {"Softmax"},
    "element-wise product or sum": {"Add", "Mul"},
    "data movement": {"Cast", "Concat", "Expand", "Flatten", "Reshape", "Slice", "Split", "Transpose", "Unsqueeze"},
}
"""Operators that the block may need. A product and a sum with one parameter per template (gamma, beta) are a product
with a diagonal matrix and an offset; the sum of features and mixture is the residual."""

OTHER = "other"

RULE = (
    "The claim holds if all operators that the class logits depend on with the block, but not without it, are "
    "convolutions, softmax, matrix products, element-wise products and sums, or data movement; otherwise it does not "
    "hold."
)


def measure(inputs: ClaimInputs) -> Finding:
    """Measure claim 5.

    Raises:
        ClaimsError: a network was not exported, or the library `onnx` is not installed.
    """
    counts = {variant: _operators(_onnx_file(inputs, variant)) for pair in PAIRS for variant in pair}
    added = {ours: _difference(counts[ours], counts[plain]) for plain, ours in PAIRS}
    work = {ours: _work(plain, ours) for plain, ours in PAIRS}
    others = {operator for operators in added.values() for operator in operators if _kind(operator) == OTHER}
    verdict: Verdict = "does not hold" if others else "holds"
    first = added[PAIRS[0][1]]
    what = ", ".join(f"{number} {operator}" for operator, number in sorted(first.items()))
    rest = f"It also needs {', '.join(sorted(others))}." if others else "It needs nothing else."
    return Finding(
        verdict=verdict,
        rule=RULE,
        text=(
            f"In the exported ONNX files, the block of `{PAIRS[0][1]}` adds these operators to those that the class "
            f"logits of `{PAIRS[0][0]}` depend on: {what}. {rest} Mul and Add are each template's factor and offset, "
            "and the sum of features and mixture. The claim is about the block alone: the rest of the network has the "
            "operators of its plain variant, including BN and ReLU."
        ),
        measured_on="exported networks in fp32; multiply-adds of convolutions and linear layers at 32x32 pixels with "
        "10 classes; neither images nor seeds matter",
        numbers=tuple(
            Number(f"multiply-adds that the block adds to `{plain}`", work[ours]["share"], None, 2, "%")
            for plain, ours in PAIRS
        ),
        tables=(_operators_table(counts, added), _work_table(work)),
        raw={"operators": counts, "added": added, "work": work},
    )


def _onnx_file(inputs: ClaimInputs, variant: str) -> Path:
    file = inputs.package(variant).onnx()
    if file is None:
        raise ClaimsError(
            f"{variant}.{inputs.data} has no ONNX file; create it with: zoo export {variant}.{inputs.data}"
        )
    return file


def _operators(file: Path) -> dict[str, int]:
    """Number of occurrences of each operator that the class logits depend on."""
    try:
        require("export", "onnx")
    except MissingDependencyError as error:
        raise ClaimsError(str(error)) from None
    import onnx

    nodes = onnx.load(file, load_external_data=False).graph.node
    producers = {output: node for node in nodes for output in node.output}
    needed, waiting = set(), ["logits"]
    while waiting:
        name = waiting.pop()
        if name in producers and name not in needed:
            needed.add(name)
            waiting += producers[name].input
    counts = Counter(node.op_type for node in nodes if needed & set(node.output))
    return dict(sorted(counts.items()))


def _difference(ours: dict[str, int], plain: dict[str, int]) -> dict[str, int]:
    """Differences in the numbers of operators, without zeros."""
    names = sorted(ours.keys() | plain.keys())
    return {name: more for name in names if (more := ours.get(name, 0) - plain.get(name, 0))}


def _kind(operator: str) -> str:
    return next((kind for kind, operators in KINDS.items() if operator in operators), OTHER)


def _work(plain: str, ours: str) -> dict[str, Any]:
    before, after = info(plain).multiply_adds, info(ours).multiply_adds
    return {"plain": before, "ours": after, "share": 100 * (after - before) / before}


def _operators_table(counts: dict[str, dict[str, int]], added: dict[str, dict[str, int]]) -> FindingTable:
    names = sorted({name for operators in counts.values() for name in operators}, key=lambda name: (_kind(name), name))
    rows = []
    for name in names:
        cells = [
            cell
            for plain, ours in PAIRS
            for cell in (
                str(counts[plain].get(name, 0)),
                str(counts[ours].get(name, 0)),
                f"{added[ours][name]:+d}" if name in added[ours] else "",
            )
        ]
        rows.append((name, _kind(name), *cells))
    columns = [heading for plain, ours in PAIRS for heading in (f"`{plain}`", f"`{ours}`", "difference")]
    title = "Operators that the class logits depend on"
    return FindingTable(title, (("operator", "l"), ("kind", "l"), *((name, "r") for name in columns)), tuple(rows))


def _work_table(work: dict[str, dict[str, Any]]) -> FindingTable:
    rows = tuple(
        (f"`{ours}`", f"{found['plain'] / 1e6:.1f} M", f"{found['ours'] / 1e6:.1f} M", f"{found['share']:+.2f}%")
        for ours, found in work.items()
    )
    columns = (("network", "l"), ("without the block", "r"), ("with the block", "r"), ("difference", "r"))
    return FindingTable("Multiply-adds", columns, rows)
