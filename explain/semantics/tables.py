"""Data of a report, as Parquet files."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from explain.semantics.shares import share_chunks
from explain.semantics.study import AssignmentStudy, PatchStudy
from explain.semantics.templates import TemplateUse
from zoo.files import write_atomically
from zoo.search.image_index import ImageIndex


def write_tables(study: PatchStudy, folder: Path) -> list[str]:
    """Write the tables of a study into a folder; returns the file names."""
    tables = {"geometry": _geometry(study), "map": _map(study)}
    if study.assignment is not None:
        tables |= {"entities": _entities(study.assignment), "slack": _slack(study.assignment)}
        tables |= {"class_vectors": _vectors(study.assignment)}
        if study.assignment.templates is not None:
            tables |= {"templates": _templates(study.assignment.templates, study.config.classes)}
    for name, columns in tables.items():
        stream = io.BytesIO()
        pq.write_table(pa.table(dict(columns)), stream)
        write_atomically(folder / f"{name}.parquet", stream.getvalue())
    names = [f"{name}.parquet" for name in tables]
    if study.assignment is not None and study.measured.index is not None:
        _write_patches(study.measured.index, study.assignment, folder / "patches.parquet")
        names.append("patches.parquet")
    return names


def _geometry(study: PatchStudy) -> Mapping[str, Any]:
    rows = [
        (what, space, measure, *estimate)
        for what, part in (("quality", study.geometry.qualities), ("change from before", study.geometry.changes))
        for space, quality in part.items()
        for measure, estimate in quality._asdict().items()
    ]
    return dict(zip(("what", "space", "measure", "value", "low", "high"), zip(*rows, strict=True), strict=True))


def _map(study: PatchStudy) -> Mapping[str, Any]:
    sample, chosen = study.measured.sample, study.patch_map.chosen
    rows, columns = np.divmod(sample.cell[chosen], study.measured.grid[1])
    names = np.array(study.measured.images.classes)
    found = {"image": sample.image[chosen], "row": rows, "column": columns, "class": names[sample.label[chosen]]}
    for space, places in study.patch_map.positions.items():
        found |= {f"x_{space}": places[:, 0], f"y_{space}": places[:, 1]}
    return found


def _entities(assignment: AssignmentStudy) -> Mapping[str, Any]:
    entities, occurrences = assignment.entities.entities, assignment.occurrences
    value, low, high = zip(*occurrences.frequency, strict=True)
    return {
        "name": [entity.name for entity in entities],
        "kind": [entity.kind for entity in entities],
        "training_frequency": [entity.frequency for entity in entities],
        "frequency": value,
        "low": low,
        "high": high,
        "mixture": [list(entity.mixture) for entity in entities],
        "patches_by_class": occurrences.by_class.tolist(),
    }


def _slack(assignment: AssignmentStudy) -> Mapping[str, Any]:
    rows = [
        (one.threshold, *one.accuracy, *one.change, one.ignored, one.undecided)
        for one in assignment.slack.filtered_votes
    ]
    names = ("threshold", "accuracy", "low", "high", "change", "change_low", "change_high", "ignored", "undecided")
    return dict(zip(names, zip(*rows, strict=True), strict=True))


def _vectors(assignment: AssignmentStudy) -> Mapping[str, Any]:
    classes = assignment.entities.classes
    return {"class": classes} | dict(zip(classes, assignment.vectors.distances, strict=True))


def _templates(use: TemplateUse, classes: Sequence[str]) -> Mapping[str, Any]:
    per_class = use.usage.shape[1]
    return {
        "class": np.repeat(np.array(classes), per_class),
        "template": np.tile(np.arange(1, per_class + 1), len(classes)),
        "usage": use.usage.ravel(),
        "strongest_image": [[match.image for match in matches] for matches in use.strongest],
        "strongest_row": [[match.row for match in matches] for matches in use.strongest],
        "strongest_column": [[match.column for match in matches] for matches in use.strongest],
        "strongest_share": [[1 - match.distance for match in matches] for matches in use.strongest],
    }


def _write_patches(index: ImageIndex, assignment: AssignmentStudy, file: Path) -> None:
    """Write a table of all patches, with one row group per chunk of the index."""
    names = [pa.array(assignment.entities.classes), pa.array([entity.name for entity in assignment.entities.entities])]
    writer, stream = None, io.BytesIO()
    for start, shares in share_chunks(index):
        images, cells, _ = shares.shape
        row, column = np.divmod(np.arange(cells, dtype=np.int16), np.int16(index.grid[1]))
        label = np.repeat(index.labels[start : start + images], cells).astype(np.int16)
        best = shares[..., :-1].argmax(axis=2).ravel().astype(np.int16)
        entity = assignment.occurrences.nearest_entity[start : start + images].ravel()
        table = pa.table(
            {
                "image": np.repeat(np.arange(start, start + images, dtype=np.int32), cells),
                "row": np.tile(row, images),
                "column": np.tile(column, images),
                "class": pa.DictionaryArray.from_arrays(label, names[0]),
                "strongest": pa.DictionaryArray.from_arrays(best, names[0]),
                "share": shares[..., :-1].max(axis=2).ravel(),
                "none": shares[..., -1].ravel(),
                "entity": pa.DictionaryArray.from_arrays(entity, names[1]),
            }
        )
        writer = writer or pq.ParquetWriter(stream, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()
        write_atomically(file, stream.getvalue())
