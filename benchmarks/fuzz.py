"""Fuzz every reader and the configuration, guided by the coverage of their code.

`python benchmarks/fuzz.py --minutes 120 [TARGET...]`, with the Python that entro and atheris are installed for. The
time is divided into slices of at most ten minutes, each one a process, so that every target gets as much. An input
that is neither read nor refused with an `EntroError`, breaks what series promise, or takes more than 30 s of a
processor or 2 GB, is written to `--finds`, and the fuzzing goes on with another seed.

Inputs begin with the logs of the conformance kit. `--corpus` keeps the inputs that reached new code for the next time.
"""

# ruff: noqa: PLC0415 - what is fuzzed is imported under instrumentation

from __future__ import annotations

import argparse
import itertools
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parents[1]
SLICE_S = 600
CONFIGURATION = b"""\
zone = "UTC"
step = "10s"
exclude = ["sat 02:00-04:00", "2026-04-01/2026-04-02"]
[stages.llm]
kind = "queue"
full = 10
[formats.mine]
pattern = '^(?P<time>\\S+) (?P<queue>\\d+)'
[alerts]
rules = ["violations>10"]
[pipelines.other]
wait = 3.5
"""


def targets() -> dict[str, tuple[Callable[[bytes], None], list[bytes]]]:
    """Return what is fuzzed, by name, with the inputs that it begins with."""
    sys.path.insert(0, str(ROOT))
    from entro_cli.readers.registry import readers
    from tests.readers import test_conformance as kit

    examples = {
        case.reader.name: [example.content for example in case.examples]
        for case in vars(kit).values()
        if isinstance(case, type) and getattr(case, "examples", None)
    }
    every = list(itertools.chain.from_iterable(examples.values()))
    found = {reader.name: (reading(reader.name), examples.get(reader.name, every)) for reader in readers()}
    return found | {"any": (reading(None), every), "configuration": (configure, [CONFIGURATION])}


def reading(name: str | None) -> Callable[[bytes], None]:
    """Return a function that reads a log as a format, or as what it is recognised as."""
    from entro_cli.readers.options import LoadOptions, read_options
    from entro_cli.readers.registry import read_log
    from entro_cli.testing.logs import check_series, opened
    from entro_engine import EntroError

    folder = Path(tempfile.mkdtemp(dir="/dev/shm"))
    options = read_options(LoadOptions(tz="Europe/Berlin", year=2026))[1]

    def read(content: bytes) -> None:
        with suppress(EntroError), opened(content, folder) as log:
            for series in read_log(log, options, name).series:
                check_series(series)

    return read


def configure(content: bytes) -> None:
    """Build the settings of a configuration file."""
    from entro_cli.core.console import Terminal
    from entro_cli.workflows.settings import check_settings, read_settings
    from entro_engine import EntroError

    file = Path(tempfile.gettempdir()) / f"fuzz-{os.getpid()}.toml"
    file.write_bytes(content)
    for pipeline in ("default", "other"):
        with suppress(EntroError):
            check_settings(read_settings(file, pipeline, Terminal()))


def fuzz(name: str, arguments: list[str]) -> None:
    """Fuzz one target in this process, with arguments of libFuzzer."""
    import atheris

    with atheris.instrument_imports(include=["entro_cli", "entro_engine"], enable_loader_override=False):
        run, seeds = targets()[name]
    corpus = Path(arguments[-1])
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    atheris.Setup([sys.argv[0], *arguments], run)
    atheris.Fuzz()


def run_slice(name: str, seconds: float, seed: int, options: argparse.Namespace) -> tuple[int, int, str]:
    """Fuzz one target in a process of its own; return its inputs, whether it found something, and what."""
    options.finds.mkdir(parents=True, exist_ok=True)
    limits = ("-timeout=30", "-rss_limit_mb=2048", "-max_len=20000", f"-max_total_time={seconds:.0f}", f"-seed={seed}")
    command = (sys.executable, __file__, "--slice", name, *limits, f"-artifact_prefix={options.finds}/{name}-")
    ended = subprocess.run(
        [*command, str(options.corpus / name)], capture_output=True, text=True, errors="replace", check=False
    )
    done = re.findall(r"^(?:Done |#)(\d+)", ended.stderr, re.MULTILINE)
    error = re.search(r"Uncaught Python exception.*?\n(?:INFO|==)", ended.stdout + ended.stderr, re.DOTALL)
    text = error[0] if error else ended.stderr[-2000:]
    return int(done[-1]) if done else 0, int(ended.returncode != 0), text


def main() -> None:
    """Divide the time among the targets, and print a tally."""
    if sys.argv[1:2] == ["--slice"]:
        fuzz(sys.argv[2], sys.argv[3:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--corpus", type=Path, default=Path(tempfile.gettempdir()) / "entro-corpus")
    parser.add_argument("--finds", type=Path, default=Path(tempfile.gettempdir()) / "entro-finds")
    options = parser.parse_args()
    names, inputs, finds = options.targets or list(targets()), Counter[str](), Counter[str]()
    part_s = min(options.minutes * 60 / len(names), SLICE_S)
    rounds = max(round(options.minutes * 60 / (part_s * len(names))), 1)
    seeds = itertools.count(options.seed)
    for name in names * rounds:
        end = time.monotonic() + part_s
        while (left := end - time.monotonic()) > 1:
            count, found, text = run_slice(name, left, next(seeds), options)
            inputs[name] += count
            finds[name] += found
            if found:
                print(f"{name}: {text}", file=sys.stderr)
        print(f"{name:14} {inputs[name]:9,} inputs {finds[name]:3} finds", flush=True)
    print(f"{options.minutes:g} min: {inputs.total():,} inputs, {finds.total()} finds")
    sys.exit(finds.total() > 0)


if __name__ == "__main__":
    main()
