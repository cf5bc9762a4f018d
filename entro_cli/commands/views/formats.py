"""The output of `entro formats --explain`: how logs are read, as tables for people and as a JSON document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING, Any

from entro_cli.core.clock import moment
from entro_cli.core.console import printable
from entro_cli.readers.recognition.explanation import Explanation
from entro_cli.report.render.rich_table import grid
from entro_cli.timeseries.observations import Measure, Observations, Series
from entro_cli.timeseries.problems import sentences

if TYPE_CHECKING:
    from rich.console import RenderableType

_SHOWN_SAMPLES = 3
_SHOWN_CANDIDATES = 3
_DECLARATION = ("[formats.my-log]", "pattern = '^(?P<time>\\S+ \\S+) .* waiting=(?P<queue>\\d+)'")
_MEASURES = {
    Measure.SAMPLES: "samples",
    Measure.SPANS: "means from one time to another",
    Measure.EVENTS: "times of events",
}


def log_document(explanation: Explanation, zone: tzinfo) -> dict[str, Any]:
    """Return the explanation of a log as an entry of the JSON document, with times in a zone."""
    found = explanation.observations
    return {
        "path": explanation.path,
        "format": explanation.format or None,
        "candidates": [
            {"format": one.format, "confidence": round(one.confidence, 3), "reason": one.reason}
            for one in explanation.candidates
        ],
        "identity": dict(found.identity) if found else {},
        "error": str(explanation.error) if explanation.error else None,
        "lines": list(explanation.lines),
        "zone": found.zone if found else None,
        "rows_read": found.rows_read if found else 0,
        "rows_skipped": found.rows_skipped if found else 0,
        "bad_rows": list(map(str, found.bad_rows)) if found else [],
        "problems": list(sentences(found.problems)) if found else [],
        "columns": list(found.columns) if found else [],
        "stages": [_stage_document(series, zone) for series in found.series] if found else [],
    }


def _stage_document(series: Series, zone: tzinfo) -> dict[str, Any]:
    return {
        "name": series.stage,
        "kind": str(series.kind),
        "column": series.column,
        "measure": str(series.measure),
        "samples": len(series.times),
        "start": moment(series.first_ns, zone).isoformat(),
        "end": moment(int(series.times[-1]), zone).isoformat(),
        "first": [{"start": begin, "end": end, "value": value} for begin, end, value in _first_samples(series, zone)],
    }


def explanation_view(explanations: Sequence[Explanation], zone: tzinfo) -> Iterator[RenderableType]:
    """Yield the parts of explanations, in the order they are printed.

    Args:
        explanations: one per log.
        zone: the zone of times.
    """
    from rich.text import Text

    for number, explanation in enumerate(explanations):
        if number:
            yield ""
        yield Text(explanation.path, style="bold")
        table = grid(("", "left"), ("", "left"))
        table.show_header = False
        for label, text in _rows(explanation, zone):
            table.add_row(f"  {label}", text)
        yield table


def _rows(explanation: Explanation, zone: tzinfo) -> Iterator[tuple[str, str]]:
    """Yield labels and texts; lines under a label have none."""
    yield "Format", printable(explanation.format) or "not recognised"
    for one in explanation.candidates[:_SHOWN_CANDIDATES]:
        yield f"{one.confidence:.0%} sure", f"{printable(one.format)}: {printable(one.reason)}"
    if explanation.observations is not None:
        yield from _read_rows(explanation.observations, zone)
        return
    if explanation.error is not None:
        yield "Not read", str(explanation.error).removeprefix(f"{explanation.path}: ")
    yield from zip(("Lines", *("",) * len(explanation.lines)), explanation.lines, strict=False)
    if not explanation.format and explanation.lines:
        yield "To do", "name its format with --input-format, or describe its lines in entro.toml, such as"
        yield from (("", line) for line in _DECLARATION)


def _read_rows(found: Observations, zone: tzinfo) -> Iterator[tuple[str, str]]:
    yield "Times", f"read as {found.zone}, shown in {zone}"
    yield "Rows", f"{found.rows_read:,} read, {found.rows_skipped:,} skipped"
    yield from (("", str(row)) for row in found.bad_rows)
    yield from (("Warning", sentence) for sentence in sentences(found.problems))
    for series in found.series:
        source = f"a {series.kind} from {printable(series.column)}"
        yield "Stage", f"{printable(series.stage)}, {source}: {len(series.times):,} {_MEASURES[series.measure]}"
        for begin, end, value in _first_samples(series, zone):
            yield "", f"{begin}{f' to {end}' if end != begin else ''}  {value:g}"
    used = {series.column for series in found.series}
    others = [printable(name) for name in found.columns if name not in used]
    if others:
        yield "Others", f"{', '.join(others[:20])}{f' and {len(others) - 20} more' if others[20:] else ''}"


def _first_samples(series: Series, zone: tzinfo) -> list[tuple[str, str, float]]:
    """Return begin, end and value of the first few samples."""
    begins = series.times if series.begins is None else series.begins
    first = zip(begins[:_SHOWN_SAMPLES], series.times[:_SHOWN_SAMPLES], series.values[:_SHOWN_SAMPLES], strict=True)
    return [
        (moment(int(begin), zone).isoformat(), moment(int(end), zone).isoformat(), float(value))
        for begin, end, value in first
    ]
