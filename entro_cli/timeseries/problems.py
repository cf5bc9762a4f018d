"""Warnings about logs: typed values that readers count, and the one place that puts them into words."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from msgspec import Struct


class ProblemKind(Enum):
    """A kind of warning, with its sentence for a count of one and for other counts.

    `{count}` is the count; `{0}`, `{1}` and `{2}` are the details of a `Problem`. Details that come from a log must be
    safe to print.
    """

    # rows of a log
    OUT_OF_ORDER = "1 row out of order: sorted", "{count} rows out of order: sorted"
    REPEATED = "1 row repeated exactly: counted once", "{count} rows repeated exactly: counted once"
    AVERAGED = (
        "1 row with other values at the same time: averaged",
        "{count} rows with other values at the same time: averaged",
    )

    # clocks and dates
    HOUR_TWICE_BY_ORDER = (
        "1 time in an hour the clock showed twice: resolved by the order of the rows",
        "{count} times in an hour the clock showed twice: resolved by the order of the rows",
    )
    HOUR_TWICE_AS_FIRST = (
        "1 time in an hour the clock showed twice: read as the first of the two",
        "{count} times in an hour the clock showed twice: read as the first of the two",
    )
    HOUR_SKIPPED = (
        "1 time in an hour the clock skipped: moved past it",
        "{count} times in an hour the clock skipped: moved past it",
    )
    CLOCK_STEPS_BACK = (
        "the clock steps back once, by {0} s: sorted",
        "the clock steps back {count} times, by at most {0} s: sorted",
    )
    ROWS_AFTER_STEP_BACK = (
        "the clock steps back by {0} s: 1 row with a time that an earlier row has is left out",
        "the clock steps back by {0} s: {count} rows with times that earlier rows have are left out",
    )
    YEARS_INFERRED = "timestamps without a year go over new year: read as {0} to {1}"
    DATES_INFERRED = (
        "timestamps have no date: the last is taken as the day the file was last changed (--start names the first)"
    )
    NO_START = "times are offsets and no --start was given: the dates shown are not real"
    START_NOT_USED = "times are dates: --start was not used"

    # tables
    NO_NUMBERS = "no number in column {0}: left out"
    SOURCES_COMBINED = (
        "1 source of {0} by {1}",
        "{count} sources of {0} by {1} were {2} (--by and --aggregate change it)",
    )
    TOTALS_LEFT_OUT = (
        "1 row is the total of others of its time: left out",
        "{count} rows are the totals of others of their times: left out",
    )
    COLUMNS_NOT_READ = "only {0} is read, as a {1}: --stage NAME=COLUMN:KIND adds another of {2}"
    QUALIFIED = "no {0} is read; not a {0} by name: {1} (--stage {2}=COLUMN:{0} reads one of them)"
    UNITLESS_RATE = "{0} names no unit: read as requests per second, not as a count (`/min` at its end is a unit)"
    LATE_COLUMNS = "not read, as the first lines lack it: {0} (put a line with all keys first)"
    LATIN_1 = "not UTF-8: read as Latin-1"
    CARRIAGE_RETURNS = "carriage returns inside lines were read as spaces"

    # tables of requests
    COLUMN_CHOSEN = "the {0} is {1}, not {2}"
    UNIT_ASSUMED = "{0} names no unit: read as seconds (end its name in _s or _ms)"
    REQUESTS_OPEN = (
        "1 of {0} requests has no {1}: taken to last until the log ends",
        "{count} of {0} requests have no {1}: taken to last until the log ends",
    )
    ONLY_ARRIVALS = (
        "only arrivals are known, so how many requests wait is not: add a column such as started_at, finished_at or "
        "latency_ms, or the log of the server"
    )
    ONLY_ENDS = (
        "these are completions, and how long a request took is not known: no queue, and the rate is that of the ends "
        "(add the duration to the log, of nginx $request_time)"
    )
    ONLY_IN_FLIGHT = "requests are in this log from their start: how many wait for it is not known"
    STAMP_IS_END = "{0} is the end of a request: it arrived {1} earlier ({2})"
    STAMP_GOES_BACK = (
        "{0} goes back once, as the arrival of a request would: --time {0}:arrival reads it as that",
        "{0} goes back {count} times, as the arrival of a request would: --time {0}:arrival reads it as that",
    )
    LENGTH_TAKEN = "{0} is the arrival of a request: it ended {1} later ({2})"
    MONITORING = (
        "1 request of monitoring (metrics, health, list of models) is left out",
        "{count} requests of monitoring (metrics, health, list of models) are left out",
    )
    NO_REQUEST = (
        "1 line is not about the end of a request: left out",
        ("{count} lines are not about the end of a request: left out"),
    )
    REQUESTS_FAILED = (
        "1 request failed ({0}): it arrived, but was not served",
        "{count} requests failed ({0}): they arrived, but were not served",
    )
    TWO_CLOCKS = "timestamps are of two clocks: the second was put onto that of {0} by the first request"

    # declared formats
    COUNTER_FELL = (
        "the count fell once: another run began",
        "the count fell {count} times: other runs began",
    )
    LINES_UNMATCHED = (
        "1 line does not match the pattern of {0}: left out",
        "{count} lines do not match the pattern of {0}: left out",
    )
    REQUESTS_FROM_BEFORE = (
        "1 request arrived before the log begins: left out",
        "{count} requests arrived before the log begins: left out",
    )

    # Celery
    TASKS_FROM_BEFORE = (
        "1 task was received before the log begins: in flight from there on",
        "{count} tasks were received before the log begins: in flight from there on",
    )
    TASKS_NOT_DONE = "1 task is not done where the log ends", "{count} tasks are not done where the log ends"
    RETRIES_GONE = (
        "1 task did not come back for its retry: in flight until 60 s after that was due",
        "{count} tasks did not come back for their retry: in flight until 60 s after that was due",
    )
    SLOTS_UNKNOWN = (
        "the queue is all tasks in flight, running ones included: the log lacks the startup banner with the worker's "
        "concurrency"
    )
    WORKERS_SHARE_LOG = (
        "1 worker started while others write into the same log: tasks it had in flight may be counted on "
        "(give each worker a log, as with --logfile=%n.log)",
        "{count} workers started while others write into the same log: tasks they had in flight may be counted on "
        "(give each worker a log, as with --logfile=%n.log)",
    )
    STARTS_ONLY = (
        "the rate is that of starts: when jobs arrive, and how many wait, is not in a worker's log (a table of the "
        "queue's length gives the queue)"
    )

    # Scrapy
    RUNS_OVERLAP = (
        "1 run of a spider overlaps with another: their rates are summed",
        "{count} runs of spiders overlap with another: their rates are summed",
    )
    RUNS_NOT_CLOSED = (
        "1 run ends without closing stats: nothing is known after its last line",
        "{count} runs end without closing stats: nothing is known after their last lines",
    )
    CLOCK_BACK_IN_RUN = (
        "the clock stepped back once within a run: that line counts at the next one",
        "the clock stepped back {count} times within a run: those lines count at the next one",
    )
    TOO_MANY_REQUESTS = (
        "1 response was 429 (too many requests): a site throttles its spider",
        "{count} responses were 429 (too many requests): sites throttle their spiders",
    )
    REQUESTS_RETRIED = "1 request was retried by its spider", "{count} requests were retried by their spiders"
    RATE_COLLAPSED = (
        "1 logstats line has less than a tenth of the best rate of its spider before",
        "{count} logstats lines have less than a tenth of the best rate of their spider before",
    )

    # SGLang and vLLM
    SERVERS_MIXED = (
        "several servers seem to write into this log, and their loads may not be summed: lines {0} (split the log by "
        "server, or name the pods with kubectl logs --prefix)"
    )
    REQUESTS_UNSTAMPED = (
        "1 request in a line without a timestamp: not counted",
        "{count} requests in lines without a timestamp: not counted",
    )
    ACCESS_LINES = (
        "the rate is that of access lines, which the server writes when it answers: unless answers are streamed, it "
        "falls behind what was sent in a surge (add the log of the client)"
    )
    DECODE_NODE = (
        "the log of a decode node: its queue is used only without that of a prefill node, as each request is at both"
    )
    DECODE_LEFT_OUT = (
        "1 line of a decode node beside a prefill node: left out, as each request is at both",
        "{count} lines of a decode node beside a prefill node: left out, as each request is at both",
    )
    BEFORE_QUEUE = (
        "up to {0} requests wait for memory or for the other node of a disaggregated server (#bootstrap-req, "
        "#prealloc-req): not in the queue"
    )
    RANK_MISSING = "the last batch lines lack a rank: left out"
    ENGINE_MISSING = "the last stats lines lack an engine: left out"
    REQUESTS_AFTER_LAST = (
        "1 request after the last whole stats line has no time: left out",
        "{count} requests after the last whole stats line have no time: left out",
    )
    API_SERVERS = (
        "{0} API servers print lines of the same engine, each what it was sent last: their mean is taken "
        "(--api-server-count 1, or the /metrics page, is exact)"
    )
    SERVER_IDLE = (
        "1 sample is of an idle server, which prints nothing: taken as zero",
        "{count} samples are of an idle server, which prints nothing: taken as zero",
    )
    SERVER_STALLED = "no stats line for {0} s although requests were running, as no token went through: no data"

    # Prometheus
    NOT_FINITE = (
        "1 sample is NaN or infinite: taken as missing",
        "{count} samples are NaN or infinite: taken as missing",
    )
    QUERY_NOT_FINITE = (
        "1 sample of the {0} query is NaN or infinite: taken as missing",
        "{count} samples of the {0} query are NaN or infinite: taken as missing",
    )
    NOT_A_SAMPLE = (
        "1 sample is not a pair of a time and a number: left out",
        "{count} samples are not pairs of a time and a number: left out",
    )
    NEGATIVE = "1 sample of {0} is negative: left out", "{count} samples of {0} are negative: left out"
    COUNTS_DONE = "{0} counts requests when they are done, not when they arrive: the rate falls behind in a surge"
    ARRIVALS = "{0} counts requests when they are done: arrivals are these plus the growth of queue and batch"
    BEFORE_FIRST_TIME = (
        "1 sample is before the first time: left out",
        "{count} samples are before the first time: left out",
    )
    RATE_NEEDS_TWO = "{0} has one sample: its rate needs a second reading"
    SCRAPED_TWICE = (
        "1 series of {0} is a second scrape of the same target: counted once",
        "{count} series of {0} are further scrapes of the same targets: counted once",
    )
    SERIES_SUMMED = "{count} series of {0} were summed"
    SUM_INCOMPLETE = (
        "{0} has no sum at 1 time, when some of its series have no sample",
        "{0} has no sum at {count} times, when some of its series have no sample",
    )
    COUNTER_RESET = "{0} fell once: read as a counter reset", "{0} fell {count} times: read as counter resets"
    METRIC_NOT_READ = "{0} is the {1}: add {2} with --stage to read it too"

    # several logs, and the history
    HISTORY_UPGRADED = (
        "the history is now of version {0}, which releases before 0.8.0 cannot read; {1} is the old state"
    )
    NO_SUCH_COLUMN = "no log has samples of {0}, the column of the stage {1}"
    DATA_GAP = "nothing between {0} and {1}, {2} of the time: is a date wrong?"
    SAME_SAMPLES = "{0} has the samples of {1}, and both are summed: leave it out if it is a copy"
    FORMATS_SUMMED = "{0} and {1} both have {2}, and are summed: leave one out if they count the same requests"
    STREAM_LEFT_OUT = "{0}: 1 line is left out: {1}", "{0}: {count} lines are left out: {1}"
    LEFT_OUT = "{0}: left out: {1}"
    DAY_LOST = "{0}: left out: {1}; run `entro history repair`"
    """A day of the history that cannot be used; its date is the third detail."""
    STATE_REBUILT = (
        "the state of the history was rebuilt from its days, which do not have all of it: ingest the logs again"
    )
    SOURCE_KEPT = "{0}: stored as source {1} before, which it keeps"
    STEPS_DIFFER = (
        "1 step was stored with other loads: the reading with more samples is kept "
        "(use --source NAME for logs of another source)",
        "{count} steps were stored with other loads: of each, the reading with more samples is kept "
        "(use --source NAME for logs of another source)",
    )
    QUOTED = "{0}"
    """Words made elsewhere: by a Prometheus server, by the entro that stored them, or by an error."""

    def __init__(self, singular: str, plural: str = "") -> None:
        self.singular = singular
        self.plural = plural or singular

    @property
    def is_additive(self) -> bool:
        """True if the counts of two parts of a log add up to that of the whole.

        Other counts describe a log as a whole, such as the tasks not done where it ends.
        """
        return self in _ADDITIVE

    @property
    def is_of_the_end(self) -> bool:
        """True if the warning is about the place where a log ends, so that it is void once the log has grown."""
        return self in _OF_THE_END


_ADDITIVE = frozenset(
    {
        ProblemKind.TASKS_FROM_BEFORE,
        ProblemKind.RETRIES_GONE,
        ProblemKind.WORKERS_SHARE_LOG,
        ProblemKind.REQUESTS_UNSTAMPED,
        ProblemKind.DECODE_LEFT_OUT,
        ProblemKind.SERVER_IDLE,
        ProblemKind.OUT_OF_ORDER,
        ProblemKind.REPEATED,
        ProblemKind.AVERAGED,
        ProblemKind.TOTALS_LEFT_OUT,
        ProblemKind.HOUR_TWICE_BY_ORDER,
        ProblemKind.HOUR_TWICE_AS_FIRST,
        ProblemKind.HOUR_SKIPPED,
        ProblemKind.CLOCK_BACK_IN_RUN,
        ProblemKind.TOO_MANY_REQUESTS,
        ProblemKind.REQUESTS_RETRIED,
        ProblemKind.RATE_COLLAPSED,
        ProblemKind.LINES_UNMATCHED,
        ProblemKind.MONITORING,
        ProblemKind.NO_REQUEST,
        ProblemKind.REQUESTS_FAILED,
    }
)


_OF_THE_END = frozenset(
    {
        ProblemKind.REQUESTS_OPEN,
        ProblemKind.TASKS_NOT_DONE,
        ProblemKind.RUNS_NOT_CLOSED,
        ProblemKind.RUNS_OVERLAP,
        ProblemKind.RANK_MISSING,
        ProblemKind.ENGINE_MISSING,
        ProblemKind.REQUESTS_AFTER_LAST,
    }
)


class Problem(Struct, frozen=True):
    """A warning about a log: an irregularity that did not keep the log from being read.

    Attributes:
        kind: the kind of irregularity.
        count: number of occurrences; 0 if the kind counts nothing.
        detail: the parts of its sentence that differ from log to log, in order.
    """

    kind: ProblemKind
    count: int = 0
    detail: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the warning as a sentence without a full stop."""
        words = self.kind.singular if self.count == 1 else self.kind.plural
        return words.format(*self.detail, count=self.count)


def failures(problems: Iterable[Problem]) -> dict[str, int]:
    """Return the number of requests that failed by class: `429`, `499`, `5xx`, or `no response`."""
    return {one.detail[0]: one.count for one in problems if one.kind is ProblemKind.REQUESTS_FAILED}


def sentences(problems: Iterable[Problem], has_client: bool = False) -> tuple[str, ...]:
    """Return warnings as the sentences of reports and JSON documents.

    Args:
        problems: the warnings.
        has_client: whether a client of the server has the rate, so that access lines are not used.
    """
    return tuple(str(problem) for problem in problems if not (has_client and problem.kind is ProblemKind.ACCESS_LINES))
