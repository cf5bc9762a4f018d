"""Logs for the conformance kit: examples with their truth, the forms in which logs arrive, and damaged ones."""

from __future__ import annotations

import gzip
import random
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import numpy as np
from msgspec import Struct

from entro_cli.core.clock import moment, nanoseconds
from entro_cli.readers.inputs.log_file import LogFile, plain_log
from entro_cli.readers.options import LoadOptions
from entro_cli.timeseries.observations import Measure, Observations, Series

Samples = Mapping[str, Mapping[str, float]]
"""By stage and time in ISO 8601, the value of a sample, span or number of events. The time of a span is its end."""

CUT = "without the end of its last line"

_SPLICES = (
    *(b"", b"\n", b"\r\n", b"\0", b"\xff\xfe", b"\x1b[1;36m", b"9" * 400, b"1e999", b"-", b'"', b"null", b"\\ud800"),
    *(b"[" * 3000, b"{", b"}", b","),
)


class Example(Struct, frozen=True):
    """A log and its truth.

    Attributes:
        content: its bytes: whole lines, which end with line feeds.
        samples: what it gives; events that number 0 are left out.
        zone: the zone of its times, if they name none.
        year: the year of its times, if they name none.
        step: the length of a step, so long that each one has a sample of every stage.
        is_document: whether it is one document rather than lines, so that a part of it is nothing.
    """

    content: bytes
    samples: Samples
    zone: str = "UTC"
    year: int | None = None
    step: str = "10s"
    is_document: bool = False

    @property
    def truth(self) -> Samples:
        """The samples as `samples_of` gives those of a reader."""
        return {
            stage: dict(_sample(nanoseconds(datetime.fromisoformat(time)), value) for time, value in found.items())
            for stage, found in self.samples.items()
        }

    @property
    def options(self) -> LoadOptions:
        """The options that read it."""
        return LoadOptions(tz=self.zone, year=self.year, step=self.step)

    @property
    def forms(self) -> dict[str, bytes]:
        """The forms in which it may arrive."""
        cut = max(len(self.content.splitlines(keepends=True)[-1]) // 2, 1)
        forms = {
            "plain": self.content,
            "with CRLF": self.content.replace(b"\n", b"\r\n"),
            "with a byte order mark": b"\xef\xbb\xbf" + self.content,
            "compressed": gzip.compress(self.content),
        }
        return forms if self.is_document else forms | {CUT: self.content[:-cut]}


@contextmanager
def opened(content: bytes, folder: Path) -> Iterator[LogFile]:
    """Write a log into a folder, and open it as `entro` does."""
    path = folder / "example.log"
    path.write_bytes(content)
    with plain_log(str(path)) as log:
        yield log


def samples_of(found: Observations) -> Samples:
    """Return the samples of each stage: times in UTC, to the microsecond, and values to nine digits."""
    return {
        series.stage: dict(
            _sample(time, value)
            for time, value in zip(series.times.tolist(), series.values.tolist(), strict=True)
            if value or series.measure is not Measure.EVENTS
        )
        for series in found.stages
    }


def _sample(time: int, value: float) -> tuple[str, float]:
    return moment(time, UTC).isoformat(), float(f"{value:.9g}")


def check_series(series: Series) -> None:
    """Check what every series promises, whatever the log.

    Raises:
        AssertionError: if its times are not sorted and unique, or its values not finite and at least 0.
    """
    assert 0 < len(series.times) == len(series.values), f"{series.stage}: no samples, or another number of times"
    assert np.all(series.times[1:] > series.times[:-1]), f"{series.stage}: times are not sorted, or not unique"
    assert np.all(np.isfinite(series.values)), f"{series.stage}: a value is not finite"
    assert np.all(series.values >= 0), f"{series.stage}: a value is negative"
    assert (series.begins is not None) == (series.measure is Measure.SPANS), f"{series.stage}: spans need begins"
    if series.begins is not None:
        assert np.all(series.begins < series.times), f"{series.stage}: a span ends where it begins, or before"
        assert np.all(series.begins[1:] >= series.times[:-1]), f"{series.stage}: spans overlap"


def damaged(content: bytes, seed: int) -> bytes:
    """Return a log with lines cut, repeated, moved and mixed with other bytes; for some seeds, random bytes alone."""
    draw = random.Random(seed)  # noqa: S311 - no secret
    if seed % 10 == 9:
        return draw.randbytes(2000)
    lines = content.splitlines(keepends=True)
    for _ in range(draw.randrange(1, 8)):
        at = draw.randrange(len(lines))
        line, cut = lines[at], draw.randrange(len(lines[at]) + 1)
        spliced = line[:cut] + draw.choice([*_SPLICES, draw.randbytes(8)]) + line[cut + draw.randrange(4) :]
        lines[at] = draw.choice([spliced, spliced, line[:cut], line * 2, lines[draw.randrange(len(lines))]])
    return b"".join(lines)


@contextmanager
def cpu_limit(seconds: float) -> Iterator[None]:
    """Interrupt what takes longer, by the processor's time, so that a busy machine does not matter."""

    def stop(signum: int, frame: FrameType | None) -> None:
        raise AssertionError(f"takes longer than {seconds} s")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
