"""`parity.json` and the ONNX files that it is about.

A record holds for the bytes that were compared, by their SHA-256. The same versions of torch, onnx and onnxscript
export the same weights to the same bytes; other versions may write another file, which has to be compared again.
"""

from typing import Any

from zoo.files import sha256, write_json
from zoo.package import METRICS_FILE, PARITY_FILE, PROBE_FILE, SPEED_FILE, Package
from zoo.runtime import Precision

Records = dict[str, dict[str, Any]]
"""By ONNX Runtime's provider."""


def stale_records(package: Package, precision: Precision) -> Records:
    """Records of other bytes than those of the ONNX file that is there; none where there is no file.

    Raises:
        PackageError: `parity.json` has another form.
    """
    file, verified = package.onnx(precision), package.verified_sha256(precision)
    if file is None or verified in (None, sha256(file)):
        return {}
    records: Records = package.parity()[precision]
    return records


def drop_stale_records(package: Package, precision: Precision) -> Records:
    """Remove `stale_records` from `parity.json`, and return them."""
    stale = stale_records(package, precision)
    if stale:
        record = package.parity()
        del record[precision]
        write_json(package.path / PARITY_FILE, record)
    return stale


def describe_stale(precision: Precision, stale: Records) -> str:
    """Which records went, and why; a line for people."""
    [digest] = {record["onnx_sha256"] for record in stale.values()}
    compared = "; ".join(dict.fromkeys(_versions(record) for record in stale.values()))
    return (
        f"{PARITY_FILE}: dropped its records in {precision} ({', '.join(stale)}; {compared}): they were of another "
        f"file, with SHA-256 {digest}. What {METRICS_FILE}, {SPEED_FILE} and {PROBE_FILE} say of that one holds for it "
        "alone"
    )


def describe_replaced(precision: Precision, before: Records, after: Records) -> str:
    """Which records of the same bytes gave way to one of fewer images; a line for people, empty if none did."""
    fewer = [
        f"{provider} on {before[provider]['images']:,} images gave way to one on {record['images']:,}"
        for provider, record in after.items()
        if provider in before
        and before[provider]["onnx_sha256"] == record["onnx_sha256"]
        and before[provider].get("images", 0) > record["images"]
    ]
    return f"{PARITY_FILE}: the record in {precision} of {'; '.join(fewer)}" if fewer else ""


def _versions(record: dict[str, Any]) -> str:
    known = [f"{name} {record[name]}" for name in ("torch", "onnx", "onnxscript") if name in record]
    return f"images: {record.get('images', '?')}, {', '.join(known) or 'versions unknown'}"
