"""The `metrics` format: pages of metrics in text, and exports of metrics as JSON lines."""

from __future__ import annotations

import re

from entro_cli.readers.inputs.log_file import LogFile
from entro_cli.readers.problems import Tally
from entro_cli.readers.prometheus.exports import Export
from entro_cli.readers.prometheus.exposition import SAMPLE, Pages
from entro_cli.readers.prometheus.metrics import IN_SYSTEM, metric, server_name
from entro_cli.readers.prometheus.stages import SavedSeries, observe
from entro_cli.readers.tables.duckdb_table import head_text
from entro_cli.timeseries.observations import Observations, ReadOptions
from entro_engine import EntroError

_TYPE = re.compile(rb"^# TYPE \S+ (?:counter|gauge|histogram|summary|unknown|untyped)\s*$", re.MULTILINE)
_EXPORT = re.compile(r'\{"metric":\{.*?\},"(?:values|timestamps)":\[(?!\[)|\{"resourceMetrics":\[', re.DOTALL)


class MetricsReader:
    """Reads pages of metrics saved over time, and exports of VictoriaMetrics and the OpenTelemetry collector."""

    name = "metrics"
    description = "Prometheus or OpenMetrics text saved over time, or an export of VictoriaMetrics or OpenTelemetry"
    gives = "known metrics as their stages, and those that --stage names: gauges as they are, counters as rates"

    def recognise(self, log: LogFile) -> float:
        """Return the confidence that a log holds metrics, 0..1, from its content."""
        if log.is_parquet:
            return 0.0
        if _is_export(log):
            return 1.0
        lines = [line for line in log.head.split(b"\n")[:-1] if line.strip() and not line.startswith(b"#")][:200]
        samples = sum(b'="' in line and SAMPLE.fullmatch(line) is not None for line in lines)
        if _TYPE.search(log.head) and (samples or any(map(SAMPLE.fullmatch, lines))):
            return 1.0
        return 0.9 if samples and samples * 3 >= len(lines) else 0.0

    def read(self, log: LogFile, options: ReadOptions) -> Observations:
        """Read the known metrics, and those that the user named.

        Args:
            log: the plain file.
            options: how it is read.

        Raises:
            EntroError: if it has no samples, no times, no known metric, or no second reading of a counter.
        """
        named = {spec.column or spec.name for spec in options.stages}
        tally = Tally()

        def is_wanted(name: str) -> bool:
            known = metric(name) if metric(name).is_known else metric(name, is_counter=True)
            return name in named or (known.is_known and bool(known.stage)) or server_name(name) in IN_SYSTEM

        found = (Export if _is_export(log) else Pages)(is_wanted)
        found.read(log)
        series, zone = found.series(log, options, tally)
        bad = found.bad.check(log, found.rows, options, "pages of metrics")
        if not found.names:
            raise EntroError("has no sample", where=log.label, expected="metrics with names")
        saved = SavedSeries(tuple(series), tally.problems, found.bad.count, bad, zone, tuple(found.names))
        return observe(saved, self.name, log, options)


def _is_export(log: LogFile) -> bool:
    text = head_text(log)[:8192] if log.head.lstrip().startswith(b"{") else ""
    return bool(_EXPORT.match("".join(text.split())))
