"""Fuzz test of `zoo serve` with thousands of damaged requests.

    python benchmarks/fuzz_requests.py [--requests N] [--seed N] [--model NAME] [--out FILE]

Needs `pip install -e '.[bench]'`. The requests are those of `hostile/requests.py`; request I of seed S is always the
same. Each is sent on its own connection to a server with default settings on the CPU. Fails if a status is 500 or
above, if a connection returns more responses than it had requests (as counted by h11; one final refusal is allowed), if
received bytes are not a response, or if the server does not respond at the end. Raw results are written to
benchmarks/results/fuzz_requests.json.
"""

import argparse
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from fuzz import own_server, read_log
from hostile.exchange import outcome
from hostile.whole import whole
from peers.machine import describe
from peers.messages import HOST, body_request
from rich.console import Console

from zoo.files import write_json
from zoo.machine import cores

CLIENTS = 16
RESULTS = Path(__file__).parent / "results" / "fuzz_requests.json"


def main() -> None:
    parser = argparse.ArgumentParser(description="Damaged requests for a server.")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", default="wrn16-ours", help="model, as for zoo serve")
    parser.add_argument("--out", type=Path, default=RESULTS, help="file for the raw results")
    arguments = parser.parse_args()
    with own_server(arguments.model) as (server, log):
        with ThreadPoolExecutor(CLIENTS) as pool:
            outcomes = list(pool.map(partial(outcome, arguments.seed, (HOST, server.port)), range(arguments.requests)))
        server.wait(body_request(whole("PNG")[0], "image/png"))
        logged = read_log(log)
    record: dict[str, Any] = {
        "machine": describe("cpu", cores()),
        "requests": arguments.requests,
        "seed": arguments.seed,
        "answers": {
            " ".join(map(str, statuses)) or "none": number
            for statuses, number in Counter(one.statuses for one in outcomes).most_common()
        },
        "log": logged,
        "wrong": [one._asdict() for one in outcomes if one.wrong],
    }
    write_json(arguments.out, record)
    Console(highlight=False).print(f"responses per connection: {record['answers']}; log: {logged}")
    if record["wrong"]:
        raise SystemExit(f"{len(record['wrong'])} requests had unexpected responses: see {arguments.out}")


if __name__ == "__main__":
    main()
