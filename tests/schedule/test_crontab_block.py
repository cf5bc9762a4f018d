"""Whatever a crontab holds, adding and removing jobs changes no byte of it."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from entro_cli.automation.schedule.crontab_block import block, entries, with_entry, without_entries
from entro_engine import EntroError

PIECES = [
    b"# mine\n",
    b"0 3 * * * backup\n",
    b"MAILTO=me\r\n",
    b"# >>> entro-old >>>\n",
    b" # >>> entro >>>\n",
    b"#>>> entro >>>\n",
    b"# <<< entro\n",
    b"\xff\xfe\x00",
    b"\n",
    b"\r",
]
crontabs = st.none() | st.binary(max_size=40) | st.lists(st.sampled_from(PIECES), max_size=6).map(b"".join)
names = st.from_regex(r"[A-Za-z0-9._][A-Za-z0-9._-]{0,8}", fullmatch=True)
lines = st.binary(min_size=1, max_size=20).filter(lambda line: not re.search(rb"^#|[\r\n]", line))
jobs = st.dictionaries(names, lines, min_size=1, max_size=4)


def without_marks(crontab):
    return crontab is None or not re.search(rb"^# (>>>|<<<) entro ", crontab, re.MULTILINE)


def with_jobs(crontab, jobs):
    for name, line in jobs.items():
        crontab = with_entry(crontab, name, line)
    return crontab


@given(crontabs.filter(without_marks), jobs, st.randoms())
def test_added_and_removed_in_any_order_leaves_the_same_bytes(before, jobs, random):
    crontab = with_jobs(before, jobs)
    assert entries(crontab) == jobs
    for name in random.sample(sorted(jobs), len(jobs)):
        assert crontab != before
        crontab = without_entries(crontab, {name})
    assert crontab == before
    assert without_entries(with_jobs(before, jobs), set(jobs)) == before


@given(crontabs.filter(without_marks), st.binary(max_size=40).filter(without_marks), jobs, names, lines)
def test_no_byte_around_the_block_is_changed(before, after, jobs, name, line):
    crontab, above = with_jobs(before, jobs) + after, before or b""
    for changed in (with_entry(crontab, name, line), without_entries(crontab, {next(iter(jobs))}) or b""):
        assert changed.startswith(above)
        assert changed.endswith(after)
        assert changed[len(above) :].removesuffix(after).removeprefix(b"\n") in {block(changed), b""}
    assert entries(with_entry(crontab, name, line)) == jobs | {name: line}


@given(crontabs.filter(without_marks), jobs, lines)
def test_a_job_is_replaced_in_its_place(before, jobs, line):
    name = next(iter(jobs))
    crontab = with_entry(with_jobs(before, jobs), name, line)
    assert list(entries(crontab).items()) == list((jobs | {name: line}).items())
    assert with_entry(crontab, name, line) == crontab


@given(crontabs.filter(without_marks), names)
def test_removing_what_is_not_there_changes_nothing(crontab, name):
    assert without_entries(crontab, {name}) == crontab
    other = with_entry(crontab, f"{name}x", b"line")
    assert without_entries(other, {name}) == other


@given(st.binary(min_size=1, max_size=40).filter(without_marks))
def test_lines_written_below_the_block_stay_lines_of_their_own(after):
    assume(not after.startswith(b"\n"))
    assert without_entries(with_entry(b"above", "daily", b"line") + after, {"daily"}) == b"above\n" + after
    assert without_entries(with_entry(None, "daily", b"line") + after, {"daily"}) == after


GOOD = with_entry(b"above\n", "daily", b"0 6 * * * entro")
BEGIN, END = GOOD.split(b"\n")[1] + b"\n", b"# <<< entro <<<\n"


@pytest.mark.parametrize(
    ("crontab", "where"),
    [
        (GOOD.replace(END, b""), "line 2"),
        (GOOD.replace(BEGIN, b""), "line 4"),
        (GOOD + GOOD, "line 2, 5, 7, 10"),
        (END + BEGIN, "line 1, 2"),
        (BEGIN + BEGIN + END, "line 1, 2, 3"),
        (GOOD.replace(b"# daily\n", b""), "line 3"),
        (GOOD.replace(b"# daily", b"# two words"), "line 3"),
        (GOOD.replace(b"0 6", b"#0 6"), "line 3"),
        (GOOD.replace(END, b"5 5 * * * mine\n" + END), "line 5"),
        (GOOD.replace(END, b"# daily\n1 1 * * * again\n" + END), "line 5"),
        (GOOD.replace(b"\n", b"\r\n"), "line 3"),
    ],
)
def test_a_block_that_is_not_as_it_was_written_is_an_error(crontab, where):
    for change in (entries, lambda it: with_entry(it, "x", b"y"), lambda it: without_entries(it, {"daily"})):
        with pytest.raises(EntroError, match=r"crontab -e.*nothing was changed") as error:
            change(crontab)
        assert error.value.where == f"crontab, {where}"
