"""Consistency of `parity.json` with the ONNX files.

A record is valid for a file with the same SHA-256. The same versions of torch, onnx and onnxscript export the same
weights to the same bytes; other versions may write another file, which must be verified again.
"""

from typing import Any

from zoo.files import sha256, write_json
from zoo.package import METRICS_FILE, PARITY_FILE, PROBE_FILE, SPEED_FILE, Package
from zoo.runtime import EXECUTIONS, Execution, Precision

Records = dict[str, dict[str, Any]]
"""Parity records by provider."""


def stale_records(package: Package, execution: Execution) -> Records:
    """Records that belong to other bytes than those of the current ONNX file; empty if there is no file.

    Raises:
        PackageError: `parity.json` is malformed.
    """
    file, verified = package.onnx(EXECUTIONS[execution].file), package.verified_sha256(execution)
    if file is None or verified in (None, sha256(file)):
        return {}
    records: Records = package.parity()[execution]
    return records


def drop_stale_records(package: Package, precision: Precision) -> dict[Execution, Records]:
    """Remove `stale_records` of all executions of a file from `parity.json`, and return them."""
    found: dict[Execution, Records] = {
        one: stale_records(package, one) for one, method in EXECUTIONS.items() if method.file == precision
    }
    stale = {execution: records for execution, records in found.items() if records}
    if stale:
        record = package.parity()
        write_json(package.path / PARITY_FILE, {one: record[one] for one in record if one not in stale})
    return stale


def describe_stale(execution: Execution, stale: Records) -> str:
    """Message about dropped records."""
    [digest] = {record["onnx_sha256"] for record in stale.values()}
    compared = "; ".join(dict.fromkeys(_versions(record) for record in stale.values()))
    return (
        f"{PARITY_FILE}: dropped the {execution} records ({', '.join(stale)}; {compared}) of another file, with "
        f"SHA-256 {digest}. Results of that file in {METRICS_FILE}, {SPEED_FILE} and {PROBE_FILE} do not apply to the "
        "new one"
    )


def describe_replaced(execution: Execution, before: Records, after: Records) -> str:
    """Message about records of the same file that were replaced by ones with fewer images; empty if there are none."""
    fewer = [
        f"{provider} on {before[provider]['images']:,} images by one on {record['images']:,}"
        for provider, record in after.items()
        if provider in before
        and before[provider]["onnx_sha256"] == record["onnx_sha256"]
        and before[provider].get("images", 0) > record["images"]
    ]
    return f"{PARITY_FILE}: replaced the {execution} record of {'; '.join(fewer)}" if fewer else ""


def _versions(record: dict[str, Any]) -> str:
    known = [f"{name} {record[name]}" for name in ("torch", "onnx", "onnxscript") if name in record]
    return f"images: {record.get('images', '?')}, {', '.join(known) or 'versions unknown'}"
