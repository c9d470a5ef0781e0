"""The command `zoo embed`."""

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo.hub import DEFAULT_MODEL
from zoo.options import FromFile, Images, Model, Unreadable, path_option

if TYPE_CHECKING:
    from zoo.classify.decoding import Named
    from zoo.images.preprocess import Pixels


def embed(
    output: Annotated[
        Path,
        path_option(
            "-o",
            "--output",
            help="Output file: .npy (array, with the paths of its rows in a .paths.txt file beside it) or .parquet "
            "(columns path and embedding).",
            show_default=False,
        ),
    ],
    images: Images = None,
    from_file: FromFile = None,
    model: Model = DEFAULT_MODEL,
    unreadable: Unreadable = "skip",
) -> None:
    """Write the embeddings of images, for search, clustering or another classifier.

    A row of D numbers per image, in the order of the images: what the last linear layer of the model sees. Any number
    of images takes the same memory.
    """
    import numpy as np

    from zoo.classify.answers import Failure, unreadable_error
    from zoo.classify.decoding import decode_in_batches
    from zoo.classify.local import open_for_inference
    from zoo.classify.sources import Sources
    from zoo.embed.writers import FORMATS, paths_file
    from zoo.errors import ImageError, InputError
    from zoo.files import check_output
    from zoo.predictors.embedding import embed as embed_pixels
    from zoo.predictors.open_predictor import open_embedder
    from zoo.terminal import Terminal, progress_bar

    if not images and from_file is None:
        raise typer.BadParameter("give images, or --from-file", param_hint="IMAGES")
    writing = FORMATS.get(output.suffix.lower())
    if writing is None:
        raise InputError(f"-o {output}: the file name must end in {' or '.join(FORMATS)}")
    sources = Sources(tuple(images or ()), None if from_file is None else str(from_file))
    inputs = [*map(Path, sources.names), *([from_file] if from_file else [])]
    made = [output, paths_file(output)] if output.suffix.lower() == ".npy" else [output]
    for file in made:
        check_output(file, inputs)
    predictor = open_embedder(open_for_inference(model))
    config, shown = predictor.config, sys.stderr.isatty()
    done, size, failures = 0, 0, list[Failure]()
    with writing(output, config.identity()) as writer, progress_bar(shown, stderr=True) as bar:
        task = bar.add_task("images", total=sources.count() if shown else None, status="")
        for decoded, bad in decode_in_batches(sources, partial(_decode, config.input_size)):
            if bad and unreadable == "stop":
                first = f"{bad[0].file}: {bad[0].reason}"
                raise ImageError(f"{first}; nothing was written: --unreadable skip leaves such images out")
            failures += bad
            if decoded:
                vectors = embed_pixels(predictor, np.stack([pixels for _, pixels in decoded]))
                writer.write([name for name, _ in decoded], vectors)
                done, size = done + len(vectors), vectors.shape[1]
            bar.update(task, completed=done + len(failures), status=f"{len(failures):,} unreadable" if failures else "")
        if not done:
            raise unreadable_error(failures, len(failures))
    Terminal().print(f"{' and '.join(map(str, made))}: {done:,} x {size} embeddings, {config.name}")
    if failures:
        raise unreadable_error(failures, done + len(failures))


def _decode(size: int, file: "Named") -> "tuple[str, Pixels]":
    from zoo.images.decode import decode_pixels

    return file.name, decode_pixels(file.data, size).pixels
