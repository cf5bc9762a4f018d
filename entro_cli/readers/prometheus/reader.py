"""The `prometheus` and `metrics` formats: saved responses of a server, pages of metrics, and exports."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

import msgspec
from msgspec.structs import replace

from entro_cli.readers.inputs.log_file import EmptyLogError, LogFile
from entro_cli.readers.problems import Tally
from entro_cli.readers.prometheus.exports import Export
from entro_cli.readers.prometheus.exposition import SAMPLE, Pages, PagesState, several_values
from entro_cli.readers.prometheus.metrics import IN_SYSTEM, metric, server_name
from entro_cli.readers.prometheus.response import differ_at_one_time, parse_json, parse_response
from entro_cli.readers.prometheus.series import MetricSamples
from entro_cli.readers.prometheus.signals import metric_signals, signal_name
from entro_cli.readers.prometheus.stages import StagesState, new_part, no_stage, quantities_of
from entro_cli.readers.quantities import choose_stages
from entro_cli.readers.reader import Reading
from entro_cli.readers.tables.first_lines import head_text
from entro_cli.readers.text_lines import BadLines
from entro_cli.timeseries.observations import Observations, ReadOptions
from entro_cli.timeseries.problems import Problem, ProblemKind
from entro_engine import EntroError, Kind

_TYPE = re.compile(rb"^# TYPE \S+ (?:counter|gauge|histogram|summary|unknown|untyped)\s*$", re.MULTILINE)
_EXPORT = re.compile(r'\{"metric":\{.*?\},"(?:values|timestamps)":\[(?!\[)|\{"resourceMetrics":\[', re.DOTALL)


class MetricsState(msgspec.Struct):
    """The state of a reader of metrics: its series, and its pages if it reads pages."""

    stages: StagesState = msgspec.field(default_factory=StagesState)
    pages: PagesState = msgspec.field(default_factory=PagesState)


class _Parsed(msgspec.Struct, frozen=True):
    """Lines that were parsed.

    Attributes:
        bad: the lines that cannot be read.
        good: number of others.
        clash: makes the error for a series with two values at one time.
        pages: the pages behind them.
        names: of all metrics, also of those without a sample here; empty for those of the series.
    """

    bad: BadLines
    good: int
    clash: Callable[[Mapping[str, str], str], EntroError]
    pages: PagesState
    names: tuple[str, ...] = ()


class SeriesReader(ABC):
    """Base of the readers of metrics, which differ in how a sample is written."""

    name: str
    _lines: str
    _no_series: Mapping[str, str]

    def read(self, log: LogFile, options: ReadOptions) -> Observations:
        """Read a log; see `resume`. Its last loads are given although a series may lack a sample there."""
        return self._read(log, options, b"", is_whole=True).observations

    def resume(self, log: LogFile, options: ReadOptions, state: bytes) -> Reading:
        """Read lines of a log; see `ResumableReader`.

        Raises:
            EntroError: if they have no samples or no times, nothing says what a series measures, or no series has
                enough samples.
        """
        return self._read(log, options, state, is_whole=False)

    @abstractmethod
    def _parse(
        self, log: LogFile, options: ReadOptions, before: PagesState, samples: MetricSamples, tally: Tally
    ) -> _Parsed:
        """Add the samples of a log."""

    def _read(self, log: LogFile, options: ReadOptions, state: bytes, is_whole: bool) -> Reading:
        before = msgspec.msgpack.decode(state, type=MetricsState) if state else MetricsState()
        samples, tally = MetricSamples(before.stages.series), Tally()
        parsed = self._parse(log, options, before.pages, samples, tally)
        bad = parsed.bad.check(log, parsed.good, options, self._lines)
        series = samples.series(lambda labels: parsed.clash(labels, log.label))
        if not series and not parsed.names:
            raise EmptyLogError(**self._no_series, where=log.label)
        named = {spec.column for spec in options.stages}
        loads = [part for part in series if part.name in named or not signal_name(part.name)]
        gauges = {spec.column for spec in options.stages if spec.kind not in (None, Kind.RATE)}
        quantities, problems = quantities_of(loads or series, gauges, before.stages)
        signals = metric_signals(series, quantities, options, before.stages.scrapes)
        names = parsed.names or tuple(part.column for part in quantities)
        given, after, number = [*quantities, *signals], before.stages, len(quantities)
        if not is_whole:
            given, after = new_part(given, series, before.stages)
        counts = ((ProblemKind.NOT_FINITE, samples.not_finite), (ProblemKind.NOT_A_SAMPLE, samples.malformed))
        problems += [Problem(kind, count) for kind, count in counts if count]
        if samples.malformed and options.strict:
            raise EntroError(str(problems[-1]), where=log.label, expected="good samples only, with --strict")
        if not state and not choose_stages(quantities, options):
            has_samples = not quantities or any(len(part.times) for part in quantities)
            raise no_stage(log.label, names if has_samples else (), samples.not_finite)
        observations = Observations(
            path=log.label,
            format=self.name,
            series=(*choose_stages(given[:number], options), *(part for part in given[number:] if len(part.times))),
            rows_read=samples.new,
            rows_skipped=parsed.bad.count + samples.malformed,
            bad_rows=bad,
            zone=parsed.pages.clock.words if parsed.pages.clock.utc is not None else "epoch seconds",
            problems=(*tally.problems, *problems),
            columns=names,
        )
        return Reading(observations, msgspec.msgpack.encode(MetricsState(after, parsed.pages)))


class PrometheusReader(SeriesReader):
    """Reads saved responses of a Prometheus server: one document, or one per line."""

    name = "prometheus"
    description = "a saved response of a Prometheus server to query_range"
    gives = "the metrics queried: gauges as they are, counters as rates, known metrics as their stages"
    _lines = "responses to query_range"
    _no_series = MappingProxyType(
        {
            "found": "the response is empty: no series matched",
            "expected": "series with samples",
            "remedy": "check the metric's name and labels, and the time of the query",
        }
    )

    def recognise(self, log: LogFile) -> float:
        """Return the confidence that a log holds responses of a Prometheus server, 0..1, from its content."""
        if log.is_parquet:
            return 0.0
        text = "".join(head_text(log)[:4096].split())
        if not text.startswith("{"):
            return 0.0
        success = '"status":"success"' in text and '"data":{' in text and '"resultType":' in text
        failure = '"status":"error"' in text and '"errorType":' in text
        return 1.0 if success or failure else 0.0

    def _parse(
        self, log: LogFile, options: ReadOptions, before: PagesState, samples: MetricSamples, tally: Tally
    ) -> _Parsed:
        bad, good, offset, lines = BadLines(), 0, 0, log.path.read_bytes().split(b"\n")
        filled = [line for line in lines if line.strip()]
        if samples.is_first and (len(filled) < 2 or not isinstance(parse_json(filled[0]), dict)):
            lines = [b"\n".join(lines)]  # one document
        for number, line in enumerate(lines, 1):
            document = parse_json(line)
            if isinstance(document, dict) or len(lines) == 1:
                where = log.label if len(lines) == 1 else f"{log.label}, line {number}"
                for warning in parse_response(document, where, samples):
                    tally.note(warning.kind, *warning.detail)
                good += 1
            elif line.strip():
                bad.add(offset, "not JSON, or cut short", line)
            offset += len(line) + 1
        return _Parsed(bad, good, differ_at_one_time, before)


class MetricsReader(SeriesReader):
    """Reads pages of metrics saved over time, and exports of VictoriaMetrics and the OpenTelemetry collector."""

    name = "metrics"
    description = "Prometheus or OpenMetrics text saved over time, or an export of VictoriaMetrics or OpenTelemetry"
    gives = "known metrics as their stages, and those that --stage names: gauges as they are, counters as rates"
    _lines = "pages of metrics"
    _no_series = MappingProxyType({"found": "has no sample", "expected": "metrics with names"})

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

    def _parse(
        self, log: LogFile, options: ReadOptions, before: PagesState, samples: MetricSamples, tally: Tally
    ) -> _Parsed:
        is_wanted = partial(is_wanted_metric, options)
        if _is_export(log):
            export = Export(samples, is_wanted)
            export.read(log)
            return _Parsed(export.bad, export.rows, differ_at_one_time, before, tuple(export.names))
        pages = Pages(samples, is_wanted, before)
        pages.read(log)
        after = pages.finish(log, options, tally)
        return _Parsed(pages.bad, pages.rows, several_values, after, tuple(pages.names))


def is_wanted_metric(options: ReadOptions, name: str) -> bool:
    """Return whether a metric of a page is a load, part of one, or a signal."""
    known = metric(name) if metric(name).is_known else metric(name, is_counter=True)
    is_load = (known.is_known and bool(known.stage)) or server_name(name) in IN_SYSTEM
    is_named = any(name == (spec.column or spec.name) for spec in options.stages)
    return is_named or is_load or bool(signal_name(name))


def _is_export(log: LogFile) -> bool:
    whole = replace(log, head=log.whole_head or log.head)
    text = head_text(whole)[:8192] if whole.head.lstrip().startswith(b"{") else ""
    return bool(_EXPORT.match("".join(text.split())))
