"""Selection of the claims to measure, and writing of their document."""

from collections.abc import Mapping
from pathlib import Path

from reproduction.claims.catalogue import CLAIMS
from reproduction.claims.document import DOCUMENT, IMAGES, claims_text
from reproduction.claims.finding import Finding
from zoo.errors import InputError
from zoo.files import write_atomically
from zoo.reporting import svg


def chosen_claims(only: str | None) -> tuple[str, ...]:
    """Numbers of the claims in `--only`, in order; all for None.

    Raises:
        InputError: it is not a list of claims.
    """
    if only is None:
        return tuple(CLAIMS)
    parts = [part.strip() for part in only.split(",")]
    if unknown := [part for part in parts if part not in CLAIMS]:
        raise InputError(
            f"--only {only}: unknown claim {unknown[0]!r}; available: {', '.join(CLAIMS)}, as in --only 1a,2"
        )
    return tuple(number for number in CLAIMS if number in parts)


def write(folder: Path, findings: Mapping[str, Finding]) -> list[Path]:
    """Write the document and its figures.

    Arguments:
        folder: output folder.
        findings: findings by number of the claim.

    Returns:
        The files written.
    """
    files = [folder / DOCUMENT]
    write_atomically(files[0], claims_text(findings).encode())
    for number, finding in sorted(findings.items()):
        claim = CLAIMS[number]
        file = folder / IMAGES / f"{claim.figure}.svg"
        write_atomically(file, svg(claim.draw(dict(finding.raw)), "zoo claims"))
        files.append(file)
    return files
