"""Helpers for histories: the bytes of their day files, and logs to fill them with."""

import json
from datetime import UTC, datetime
from hashlib import blake2b

from tests.running import entro

START = 1_774_746_000 * 10**9  # 2026-03-29T01:00Z, a change of the clocks in Berlin


def days(history):
    """Every day file's bytes, by its place in the history."""
    return {path.relative_to(history).as_posix(): path.read_bytes() for path in sorted(history.rglob("*.parquet"))}


def ingest(history, *arguments, status=0):
    """Run `entro ingest` and return its outcome."""
    outcome = entro("ingest", "--history", history, *arguments)
    assert outcome.status == status, outcome.err
    return outcome


def stamp(ns):
    whole, fraction = divmod(ns, 10**9)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{fraction:09d}Z"


def record(history):
    """Record the hashes of what is in a history now, as the release that wrote it would have."""
    for index in history.rglob("digests.json"):
        files = {path.parent.name[5:]: path for path in index.parents[1].glob("date=*/*.parquet")}
        files["state.json"] = index.with_name("state.json")
        hashes = {key: [blake2b(path.read_bytes(), digest_size=16).hexdigest()] for key, path in files.items()}
        index.write_text(json.dumps(hashes))


HEADER = "time,scraper_rate,llm_queue\n"


def line(ns, rate, queue):
    return f"{stamp(ns)},{rate!r},{queue!r}\n"


def regular(count, step_s=10, start=START):
    """A log of so many rows, a row a step."""
    return [line(start + index * step_s * 10**9, (index % 7) / 4, float(index % 11)) for index in range(count)]
