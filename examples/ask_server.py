"""Ask a running server for classes, for the patches of an image and for its map.

To run it:

    pip install 'template-zoo[serve,client]'
    zoo serve        # in another terminal, until it says "serving at"
    python examples/ask_server.py http://localhost:8000 map.png tests/data/cat.jpg tests/data/bird.png
"""

import sys
from collections import Counter
from pathlib import Path

from serve.client import Client, ServerError


def main(url: str, output: str, *images: str) -> None:
    # The client retries while the server is busy, and splits a long list into requests that the server accepts.
    with Client(url, timeout=30) as client:
        for result in client.classify(*images, top_k=1).results:
            [best] = result.classes
            print(f"{result.file}: {best.label} ({best.probability:.1%})")

        [result] = client.patch_semantics(images[0]).results
        labels = Counter(patch.label for row in result.patches for patch in row)
        print(f"patches of {result.file}:", ", ".join(f"{count} {label}" for label, count in labels.most_common()))

        shares = client.shares(*images)
        print("shares of the classes as an array:", shares.shape)

        Path(output).write_bytes(client.semantic_map(images[0]))

        try:
            client.classify(images[0], model="no-such-model")
        except ServerError as error:
            print(error.status, error.code)


if __name__ == "__main__":
    main(*sys.argv[1:])
