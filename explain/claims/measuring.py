"""Which claims to measure, and what is written of them."""

from collections.abc import Mapping
from pathlib import Path

from explain.claims.catalogue import CLAIMS
from explain.claims.document import DOCUMENT, PICTURES, claims_text
from explain.claims.finding import Finding
from explain.claims.study import Study
from training.plot import svg
from zoo.errors import InputError
from zoo.files import write_atomically


def chosen_claims(only: str | None) -> tuple[int, ...]:
    """The numbers of claims that `--only` names, in order; all of them for None.

    Raises:
        InputError: it is not a list of claims.
    """
    if only is None:
        return tuple(CLAIMS)
    parts = [part.strip() for part in only.split(",")]
    known = {str(number): number for number in CLAIMS}
    if unknown := [part for part in parts if part not in known]:
        raise InputError(f"--only {only}: {unknown[0]!r} is no claim; they are {', '.join(known)}, as in --only 1,2")
    return tuple(sorted({known[part] for part in parts}))


def measure(number: int, study: Study) -> Finding:
    """Measure a claim."""
    return CLAIMS[number].measure(study)


def write(folder: Path, findings: Mapping[int, Finding]) -> list[Path]:
    """Write the document and its figures.

    Arguments:
        folder: where to.
        findings: by the claim's number.

    Returns:
        The files.
    """
    files = [folder / DOCUMENT]
    write_atomically(files[0], claims_text(findings).encode())
    for number, finding in sorted(findings.items()):
        claim = CLAIMS[number]
        if figure := claim.draw(finding.raw):
            file = folder / PICTURES / f"{claim.figure}.svg"
            write_atomically(file, svg(figure, "zoo claims"))
            files.append(file)
    return files
