"""Metadata of an ONNX file: the model's identity, its precision, and the declarations of its outputs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields

from pydantic import TypeAdapter, ValidationError

from zoo.errors import PackageError
from zoo.files import invalid_fields
from zoo.outputs import STANDARD, Output
from zoo.package import ONNX_FILES, ModelConfig
from zoo.registry import POOLING_GAMMA
from zoo.runtime import Precision

_outputs_adapter = TypeAdapter(tuple[Output, ...])


def onnx_metadata(config: ModelConfig, precision: Precision, outputs: Sequence[Output]) -> dict[str, str]:
    """Metadata of a model's ONNX file: its name, and as JSON the fields of its configuration, precision and outputs.

    Later fields are left out at their defaults: files of earlier versions are still reproduced byte for byte.
    """
    values = asdict(config) | {"precision": precision, "outputs": [output.declaration() for output in outputs]}
    if config.templates == 1:
        del values["templates"]
    if config.pooling == "gap":
        del values["pooling"], values["kept_mass"]
    if config.pooling == "gap" or config.pooling_gamma == POOLING_GAMMA:
        del values["pooling_gamma"]
    return {"name": config.name} | {key: json.dumps(value, ensure_ascii=False) for key, value in values.items()}


def config_from_metadata(metadata: Mapping[str, str], where: str) -> ModelConfig:
    """The configuration in an ONNX file's metadata.

    Raises:
        PackageError: it is missing or not valid.
    """
    known = {field.name for field in fields(ModelConfig)}
    members = (f"{json.dumps(key)}: {value}" for key, value in metadata.items() if key in known)
    return ModelConfig.from_json(f"{{{', '.join(members)}}}", f"the metadata of {where}")


def precision_from_metadata(metadata: Mapping[str, str], where: str) -> Precision:
    """The precision in an ONNX file's metadata; fp32 if it has none.

    Raises:
        PackageError: the precision is unknown.
    """
    text = metadata.get("precision", '"fp32"')
    for precision in ONNX_FILES:
        if text == json.dumps(precision):
            return precision
    raise PackageError(f"the metadata of {where} has precision = {text}: must be one of {', '.join(ONNX_FILES)}")


def outputs_from_metadata(metadata: Mapping[str, str], names: Sequence[str], where: str) -> tuple[Output, ...]:
    """The declarations of an ONNX file's outputs, in the order of its graph.

    Arguments:
        metadata: metadata of the file; without declarations, the outputs are the standard ones of these names.
        names: names of the graph's outputs.
        where: the file, for errors.

    Raises:
        PackageError: a declaration is not valid, or an output has none.
    """
    try:
        text = metadata.get("outputs")
        declared = STANDARD if text is None else _outputs_adapter.validate_json(text)
    except ValidationError as error:
        problem = invalid_fields(error, "outputs")[0]
        raise PackageError(f"the metadata of {where} does not declare valid outputs: {problem}") from None
    by_name = {output.name: output for output in declared}
    if missing := [name for name in names if name not in by_name]:
        raise PackageError(f"{where} does not declare its outputs {', '.join(missing)}; export it again")
    return tuple(by_name[name] for name in names)
