"""Print the warnings about logs that were loaded or ingested."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from entro_cli.core.console import printable
from entro_cli.timeseries.observations import BadRow
from entro_cli.timeseries.problems import Problem

if TYPE_CHECKING:
    from entro_cli.core.console import Terminal
    from entro_cli.history.ingest.ingest import IngestResult
    from entro_cli.workflows.load_logs import Loaded


def print_problems(problems: Iterable[Problem | str], terminal: Terminal, path: str = "") -> None:
    """Print one warning per problem, after the path of the log where one is given."""
    for problem in problems:
        terminal.warn(f"{path}: {problem}" if path else str(problem))


def print_load_warnings(loaded: Loaded, terminal: Terminal) -> None:
    """Print the warnings about logs that were loaded, with the lines of rejected rows."""
    print_problems(loaded.notes, terminal)
    for source in loaded.sources:
        print_problems(source.problems, terminal, source.path)
        _print_bad_rows(source.path, source.rows_read, source.rows_skipped, source.bad_rows, terminal)


def print_summed_sources(loaded: Loaded, terminal: Terminal) -> None:
    """Print a warning if loads of parallel sources are summed, with the number of sources of each stage."""
    summed = [f"{printable(stage)} of {count} sources" for stage, count in loaded.summed_sources.items() if count > 1]
    if summed:
        terminal.warn(f"logs of parallel sources are summed: {', '.join(summed)}; name a single log to use it alone")


def print_ingest_warnings(result: IngestResult, terminal: Terminal, log_problems: bool = True) -> None:
    """Print the warnings about logs that were ingested, and every failure but the first.

    The first failure ends a command with its error.

    Args:
        result: the result of the ingest.
        terminal: prints them.
        log_problems: whether to print the problems of single logs, which reports show too.
    """
    for update in result.updates:
        if log_problems:
            print_problems(update.observations.problems, terminal, update.log.path)
        _print_bad_rows(update.log.path, update.rows, update.skipped, update.bad_rows, terminal)
    print_problems([*result.problems, *map(str, result.failures[1:])], terminal)


def _print_bad_rows(path: str, read: int, skipped: int, bad_rows: Sequence[BadRow], terminal: Terminal) -> None:
    """Print how many rows of a log were skipped, and the first few of them."""
    if skipped:
        terminal.warn(f"{path}: {skipped:,} of {skipped + read:,} rows could not be read and were skipped")
    for row in bad_rows:
        terminal.warn(f"{path}: {row}")
    more = skipped - len(bad_rows)
    if bad_rows and more > 0:
        terminal.warn(f"{path}: and {more:,} more")
