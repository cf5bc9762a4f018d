"""Conformance tests of a reader, which pytest collects where a class inherits them."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from msgspec.structs import replace

from entro_cli.config import Settings
from entro_cli.core.console import Terminal
from entro_cli.core.files import bundled
from entro_cli.history.ingest.ingest import IngestOptions, ingest
from entro_cli.history.paths import PipelinePaths
from entro_cli.live.follow import Follower
from entro_cli.readers.options import read_options
from entro_cli.readers.reader import Reader, ResumableReader
from entro_cli.readers.registry import LEAST_CONFIDENCE, readers
from entro_cli.testing.logs import CUT, Example, check_series, cpu_limit, damaged, opened, samples_of
from entro_cli.timeseries.observations import Observations
from entro_cli.timeseries.steps import Steps
from entro_cli.workflows.load_history import load_history
from entro_cli.workflows.settings import read_settings
from entro_engine import EntroError

_LONGEST_TEXT = 200
"""Characters of a rejected row that may be shown."""


class ReaderTests:
    """Tests of one reader. Inherit them in a class whose name begins with Test, and set the attributes.

    Attributes:
        reader: the reader. Its package is installed, if only with `pip install -e .`, so that entro knows it.
        examples: logs of its format, of at least eight lines; the first one is also rotated and given bad lines.
        bad_line: a line that looks like one of the first example, but cannot be read; empty if no line can be bad.
        foreign: logs of other formats, beside the samples of entro.
        own_samples: names of entro's samples that are of this format.
        cuts: number of times that the log is cut in two and in three.
        damages: number of damaged logs.
        limit_s: the longest that one damaged log may take, s of the processor.
    """

    reader: ClassVar[Reader]
    examples: ClassVar[Sequence[Example]]
    bad_line: ClassVar[bytes] = b""
    foreign: ClassVar[Sequence[bytes]] = ()
    own_samples: ClassVar[Sequence[str]] = ()
    cuts: ClassVar[int] = 20
    damages: ClassVar[int] = 100
    limit_s: ClassVar[float] = 10.0

    def test_entro_knows_it(self) -> None:
        """Its entry point, in the group `entro.readers`, leads to it."""
        known = {reader.name: type(reader) for reader in readers()}
        assert known.get(self.reader.name) is type(self.reader), "is the package of the entry point installed?"

    def test_samples_are_the_truth(self, tmp_path: Path) -> None:
        """Each example gives its samples, in every form in which logs arrive."""
        for example in self.examples:
            for form, content in example.forms.items():
                found = self._read(example, tmp_path, content)
                assert found.format == self.reader.name
                if form != CUT:
                    assert samples_of(found) == example.truth, f"a log {form}"

    def test_its_own_logs_are_recognised(self, tmp_path: Path) -> None:
        """No other reader is as sure of an example, in whatever form."""
        for form, content in ((form, content) for example in self.examples for form, content in example.forms.items()):
            own, others = self._confidence(content, tmp_path)
            assert max(LEAST_CONFIDENCE, others) < own <= 1, f"a log {form}"

    def test_other_logs_are_left_to_others(self, tmp_path: Path) -> None:
        """Of logs of other formats their own reader is surer, or none is sure."""
        samples = {path.name: path.read_bytes() for path in (bundled("sample_logs") / "formats").iterdir()}
        others = {name: samples[name] for name in samples.keys() - {"truth.json", *self.own_samples}}
        for name, content in [*others.items(), *enumerate(self.foreign)]:
            own, other = self._confidence(content, tmp_path)
            assert 0 <= own < max(LEAST_CONFIDENCE, other), f"foreign log {name}"

    def test_parts_give_the_whole(self, tmp_path: Path) -> None:
        """A log that is read while it grows, up to any byte, gives what it gives at once."""
        if not isinstance(self.reader, ResumableReader):
            pytest.skip("the reader reads every log from its beginning")
        draw = random.Random(0)  # noqa: S311 - no secret
        for number, example in enumerate(self.examples):
            expected = self._followed(example, [], tmp_path / f"{number} whole")
            for index in range(2 * self.cuts):
                places = sorted(draw.randrange(1, len(example.content)) for _ in range(1 + index % 2))
                found = self._followed(example, places, tmp_path / f"{number} {index}")
                _assert_same(found, expected, f"example {number}, read up to the bytes {places}")

    def test_a_history_of_parts_is_that_of_the_whole(self, tmp_path: Path) -> None:
        """`entro ingest` of a log that grows, and is rotated if its reader goes on behind other logs."""
        if self.examples[0].is_document:
            pytest.skip("a document does not grow")
        content, log = self.examples[0].content, tmp_path / "server.log"
        middle = content.rfind(b"\n", 0, len(content) // 2) + 1
        for end in (len(content) // 3, middle, len(content)):
            log.write_bytes(content[:end])
            grown = self._ingest(log, tmp_path / "grown")
        whole = self._ingest(log, tmp_path / "whole")
        _assert_same(grown, whole, "a log that grows")
        if isinstance(self.reader, ResumableReader):
            log.write_bytes(content[:middle])
            self._ingest(log, tmp_path / "rotated")
            log.rename(tmp_path / "server.log.1")
            log.write_bytes(content[middle:])
            found = self._ingest(log, tmp_path / "rotated")
            np.testing.assert_allclose(found.loads, whole.loads, 1e-12, err_msg="loads of a log that is rotated")

    def test_bad_lines_are_counted_and_shown(self, tmp_path: Path) -> None:
        """A line that cannot be read changes nothing else; it is counted, and shown in a safe and short form."""
        example, (content, numbers) = self.examples[0], self._with_bad_lines()
        good, found = self._read(example, tmp_path), self._read(example, tmp_path, content)
        assert (found.rows_read, found.rows_skipped) == (good.rows_read, good.rows_skipped + len(numbers))
        assert samples_of(found) == samples_of(good)
        assert [row.line for row in found.bad_rows] == numbers
        for row in found.bad_rows:
            assert row.reason
            assert row.text.isprintable(), "control characters are shown"
            assert 0 < len(row.text) <= _LONGEST_TEXT

    def test_strict_and_redact(self, tmp_path: Path) -> None:
        """With --strict a bad line is an error, with --redact it is shown without its letters and digits."""
        example, (content, _) = self.examples[0], self._with_bad_lines()
        masked = self._read(example, tmp_path, content, redact=True)
        assert not any(set(row.text) & set("0123456789") for row in masked.bad_rows), "--redact shows the row"
        with pytest.raises(EntroError):
            self._read(example, tmp_path, content, strict=True)

    def test_times_follow_the_zone(self, tmp_path: Path) -> None:
        """Times without an offset are of the zone of --tz, over a change of its clocks, too."""
        local = [example for example in self.examples if example.zone != "UTC"]
        if not local:
            pytest.skip("no example names another zone, because all times have offsets")
        for example in local:
            stages, times = example.truth, [time for values in example.samples.values() for time in values]
            assert len({time[19:].lstrip(".0123456789") for time in times}) > 1, "no change of clocks in the example"
            assert samples_of(self._read(example, tmp_path)) == stages
            assert samples_of(self._read(replace(example, zone="UTC"), tmp_path)) != stages, "--tz changes nothing"

    def test_damaged_logs_are_read_or_refused(self, tmp_path: Path) -> None:
        """Whatever a log holds gives Observations or an EntroError, in bounded time."""
        for seed in range(self.damages):
            example = self.examples[seed % len(self.examples)]
            try:
                with cpu_limit(self.limit_s):
                    self._check_damaged(damaged(example.content, seed), example, tmp_path)
            except Exception as error:
                error.add_note(f"entro_cli.testing.logs.damaged with the seed {seed}")
                raise

    def _check_damaged(self, content: bytes, example: Example, folder: Path) -> None:
        options = read_options(example.options)[1]
        found = []
        with suppress(EntroError), opened(content, folder) as log:
            assert 0 <= self.reader.recognise(log) <= 1
            found.append(self.reader.read(log, options))
            if isinstance(self.reader, ResumableReader):
                state = self.reader.resume(log, options, b"").state
                found.append(self.reader.resume(log, options, state).observations)
        for series in (series for observations in found for series in observations.series):
            check_series(series)

    def _read(
        self, example: Example, folder: Path, content: bytes = b"", strict: bool = False, redact: bool = False
    ) -> Observations:
        options = replace(read_options(example.options)[1], strict=strict, redact=redact)
        with opened(content or example.content, folder) as log:
            return self.reader.read(log, options)

    def _with_bad_lines(self) -> tuple[bytes, list[int]]:
        """Return the first example with two bad lines, long and with a control character, and their numbers."""
        if not self.bad_line:
            pytest.skip("no line of this format can be bad")
        lines = self.examples[0].content.splitlines(keepends=True)
        places = [len(lines) // 2, len(lines)]
        for place in places:
            lines.insert(place, self.bad_line.rstrip() + b" \x1b[31m" + b"x" * 1000 + b"\n")
        return b"".join(lines), [place + 1 for place in places]

    def _confidence(self, content: bytes, folder: Path) -> tuple[float, float]:
        """Return how sure this reader is of a log, and how sure the surest of the others is."""
        with opened(content, folder) as log:
            others = (other.recognise(log) for other in readers() if other.name != self.reader.name)
            return self.reader.recognise(log), max(others)

    def _followed(self, example: Example, places: Sequence[int], folder: Path) -> Steps:
        """Return the steps of an example that is read whenever it has grown up to one of some bytes, and whole."""
        folder.mkdir()
        log = folder / "server.log"
        follower = _Follower([str(log)], replace(example.options, input_format=self.reader.name))
        for end in [*places, len(example.content)]:
            log.write_bytes(example.content[:end])
            follower.poll()
        assert not follower.failures, str(follower.failures[0])
        steps = follower.steps(_settings())
        assert steps is not None
        return steps

    def _ingest(self, log: Path, history: Path) -> Steps:
        """Store what is new in a log and its rotations, and return the steps of the history."""
        paths = PipelinePaths(history, "default")
        result = ingest([f"{log}*"], self.examples[0].options, IngestOptions(paths, learns=False))
        assert not result.failures, str(result.failures[0])
        return load_history(paths, _settings(), UTC).steps


class _Follower(Follower):
    """A follower that never begins anew, as others do while they have few samples."""

    def _read_anew(self) -> None:
        pass


def _settings() -> Settings:
    return read_settings(Path(os.devnull), "default", Terminal())


def _assert_same(found: Steps, expected: Steps, message: str) -> None:
    assert found.start_ns == expected.start_ns, message
    for name in ("loads", "peaks", "ends"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), 1e-12, err_msg=f"{message}: {name}")
