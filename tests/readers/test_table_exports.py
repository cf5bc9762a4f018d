"""Tables as programs export them, with their dates and numbers, give what the plain table gives."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entro_cli.readers.inputs.log_file import plain_log
from entro_cli.readers.tables.reader import TableReader
from entro_cli.timeseries.observations import ReadOptions
from entro_engine import EntroError
from tests.running import entro

START = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)
LOADS = st.lists(
    st.tuples(st.integers(0, 10**7).map(lambda number: number / 1000), st.integers(0, 10**6)), min_size=40, max_size=60
)


def times(count):
    return [START + timedelta(minutes=7 * row) for row in range(count)]


def read(tmp_path, content, **options):
    path = tmp_path / "table.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with plain_log(str(path)) as log:
        return TableReader().read(log, ReadOptions(UTC, zone_given=True, **options))


def series_of(seen):
    return [(part.stage, part.kind, part.times.tolist(), part.values.tolist()) for part in seen.series]


def plain(loads, unit=1):
    rows = zip(times(len(loads)), loads, strict=True)
    return "time,rate,queue\n" + "".join(
        f"{time:%Y-%m-%dT%H:%M:%SZ},{rate / unit!r},{queue}\n" for time, (rate, queue) in rows
    )


STAMPS = {
    "day first": "%d/%m/%Y %H:%M",
    "month first": "%m/%d/%Y %H:%M",
    "month first, two digits, noon": "%m/%d/%y %I:%M %p",
    "dots": "%d.%m.%Y %H:%M:%S",
    "comma": "%d.%m.%Y, %H:%M:%S",
    "access log": "%d/%b/%Y:%H:%M:%S +0000",
    "mail": "%a, %d %b %Y %H:%M:%S GMT",
    "Kibana": "%b %d, %Y @ %H:%M:%S.000",
    "JavaScript": "%a %b %d %Y %H:%M:%S GMT+0000 (Coordinated Universal Time)",
    "year first, noon": "%Y-%m-%d %I:%M:%S %p",
    "year first, dots": "%Y.%m.%d %H:%M",
    "year first, slashes": "%Y/%m/%d %H:%M:%S",
}


@pytest.mark.parametrize("form", STAMPS)
def test_dates_as_they_are_written(tmp_path, form):
    loads = [(row / 8, row) for row in range(400)]  # more rows than the columns are recognised from
    rows = [f'"{time:{STAMPS[form]}}",{rate},{queue}\n' for time, (rate, queue) in zip(times(400), loads, strict=True)]
    seen = read(tmp_path, "time,rate,queue\n" + "".join(rows))
    assert series_of(seen) == series_of(read(tmp_path, plain(loads)))
    assert seen.rows_skipped == 0


def number(value, mark, groups):
    text = f"{value:,.3f}" if isinstance(value, float) else f"{value:,}"
    return text.translate({ord(","): groups, ord("."): mark})


@pytest.mark.slow
@settings(max_examples=8)
@given(LOADS, st.sampled_from([",;.", ".,,", ",;\u202f", ".,'", ".,\u2019", ".\t", ",\t ", ",;"]))
def test_decimal_marks_and_groups(tmp_path_factory, loads, style):
    mark, delimiter, *groups = style
    loads = [(0.125, 17), *loads]  # a number that only a decimal mark fits
    table = [
        (f"{time:%Y-%m-%d %H:%M:%S}", rate, queue) for time, (rate, queue) in zip(times(len(loads)), loads, strict=True)
    ]
    rows = [
        delimiter.join([time, *(f'"{number(load, mark, "".join(groups))}"' for load in loads)])
        for time, *loads in table
    ]
    folder = tmp_path_factory.mktemp("table")
    seen = read(folder, "\n".join([delimiter.join(["time", "rate", "queue"]), *rows, ""]))
    assert series_of(seen) == series_of(read(folder, plain(loads)))
    assert seen.rows_skipped == 0


def test_marks_that_show_in_the_last_row_only(tmp_path):
    loads = [(1.0 + row, 1000 + row) for row in range(300)]
    rows = [
        f"{time:%Y-%m-%d %H:%M:%S};{rate:.0f};{number(queue, ',', '.')}\n"
        for time, (rate, queue) in zip(times(300), loads, strict=True)
    ]
    with pytest.raises(EntroError, match=r"numbers such as 1\.234.*--decimal") as caught:
        read(tmp_path, "time;rate;queue\n" + "".join(rows))
    assert "queue" in str(caught.value)
    rows[-1] = rows[-1].replace(";300;", ";300,0;")
    expected = series_of(read(tmp_path, plain(loads)))
    assert series_of(read(tmp_path, "time;rate;queue\n" + "".join(rows))) == expected


@pytest.mark.parametrize(("mark", "scale"), [(",", 1000), (".", 1)])
def test_an_option_names_the_decimal_mark(tmp_path, mark, scale):
    rows = "".join(f"2026-04-06 12:00:0{second};{second};{second}.500\n" for second in range(1, 5))
    queue = read(tmp_path, "time;rate;queue\n" + rows, decimal=mark).series[1]
    assert queue.values.tolist() == [scale * (second + 0.5) for second in range(1, 5)]


def test_groups_between_commas(tmp_path):
    seen = read(tmp_path, 'time,queue\n2026-04-06 12:00:00,"17,900"\n2026-04-06 12:00:10,"1,234,567"\n')
    assert seen.series[0].values.tolist() == [17_900.0, 1_234_567.0]
    swiss = read(tmp_path, "time;queue\n06.04.2026 12:00:00;17\u2019900.0\n16.04.2026 12:00:10;900.5\n")
    assert swiss.series[0].values.tolist() == [17900.0, 900.5]


UNITS = {
    "{:.3f} req/s": 1,
    "{:.3f} requests/min": 60,
    "{:.3f} pages/h": 3600,
    "{:.3f} rps": 1,
    "{:.3f} rpm": 60,
    "{:.3f}/s": 1,
}


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("name", ["rate", "requests_per_min"])
def test_units_of_rates_in_cells(tmp_path, unit, name):
    loads = [(0.5 + row / 8, row) for row in range(30)]
    rows = [
        f"{time:%Y-%m-%dT%H:%M:%SZ},{unit.format(rate)},{queue} reqs\n"
        for time, (rate, queue) in zip(times(30), loads, strict=True)
    ]
    rate, queue = read(tmp_path, f"time,{name},queue\n" + "".join(rows)).series
    assert rate.values == pytest.approx([load / UNITS[unit] for load, _ in loads])
    assert queue.values.tolist() == [float(load) for _, load in loads]


def test_multiples_in_cells_of_a_long_table(tmp_path):
    values = ["970", "1.24 K", "2.81K", "1.5 Mil", "3 M", "0.5 Bil"]
    rows = [f"llm_queue,2026-04-06 12:00:0{second},{value}\n" for second, value in enumerate(values)]
    seen = read(tmp_path, "Series,Time,Value\n" + "".join(rows))
    assert seen.series[0].values.tolist() == [970, 1240, 2810, 1.5e6, 3e6, 0.5e9]


def test_a_long_table_with_units_in_every_cell_is_recognised(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("series,time,value\n" + "".join(f"rps,2026-04-06 12:00:{s},{s}.5 req/s\n" for s in range(10, 40)))
    assert entro("analyze", path, "--tz", "UTC").status == 0


def test_a_unit_in_name_and_cells_of_a_long_table_is_refused(tmp_path):
    rows = "".join(f"requests_per_min,2026-04-06 12:00:0{second},{second}.5 req/s\n" for second in range(3))
    with pytest.raises(EntroError, match="units such as req/s"):
        read(tmp_path, "series,time,value\n" + rows)


@pytest.mark.parametrize("unit", [" %", " ms", "s", " MiB"])
def test_some_values_with_a_unit_that_is_none_of_loads_are_not_skipped(tmp_path, unit):
    """They would be most of an overload, if only large values have it."""
    rows = "".join(f"2026-04-06 12:00:{second},{second}{unit if second > 40 else ''}\n" for second in range(10, 60))
    with pytest.raises(EntroError, match="19 values of the column queue are shares, times or sizes"):
        read(tmp_path, "time,queue\n" + rows)


def test_lengths_of_time_and_shares_are_no_loads(tmp_path):
    for unit in ("ms", "%", "s", "MiB"):
        rows = "".join(f"2026-04-06 12:00:0{second},{second} {unit}\n" for second in range(3))
        with pytest.raises(EntroError, match="shares, times or sizes"):
            read(tmp_path, "time,queue\n" + rows)


@pytest.mark.parametrize("form", ["%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M", "%d.%m.%Y %H:%M"])
def test_dates_that_fit_both_orders_are_refused(tmp_path, form):
    day = datetime(2026, 4, 6, 12, tzinfo=UTC)
    rows = "".join(f"{day + timedelta(hours=hour):{form}},{hour},{hour}\n" for hour in range(48))
    with pytest.raises(
        EntroError,
        match=f"such as {day:{form.split()[0]}}, of which the day or the month may be first.*--time time:dmy",
    ):
        read(tmp_path, "time,rate,queue\n" + rows)
    order = "mdy" if form.startswith("%m") else "dmy"
    seen = read(tmp_path, "time,rate,queue\n" + rows, time_column=f"time:{order}")
    assert seen.series[0].times[0] == int(day.timestamp()) * 10**9


def test_a_day_above_twelve_in_the_last_row_shows_the_order(tmp_path):
    day = datetime(2026, 4, 1, tzinfo=UTC)
    rows = [f"{day + timedelta(hours=hour):%m/%d/%Y %H:%M},{hour},{hour}\n" for hour in range(13 * 24)]
    seen = read(tmp_path, "time,rate,queue\n" + "".join(rows))
    assert seen.series[0].times[0] == int(day.timestamp()) * 10**9
    assert np.all(np.diff(seen.series[0].times) == 3600 * 10**9)


@pytest.mark.parametrize("head", ["date,time", "time,date", "Datum,Uhrzeit", "day,clock"])
@pytest.mark.parametrize("form", ["%Y-%m-%d|%H:%M:%S", "%d.%m.%Y|%H:%M", "%m/%d/%Y|%I:%M %p", "%Y%m%d|%H:%M:%S"])
def test_a_date_and_a_time_of_day_in_two_columns(tmp_path, head, form):
    loads = [(row / 8, row) for row in range(250)]
    day, clock = form.split("|")
    pairs = [(f"{time:{day}}", f"{time:{clock}}") for time in times(250)]
    pairs = [pair[::-1] for pair in pairs] if head.startswith("time") else pairs
    rows = [f"{one},{two},{rate},{queue}\n" for (one, two), (rate, queue) in zip(pairs, loads, strict=True)]
    seen = read(tmp_path, f"{head},rate,queue\n" + "".join(rows))
    assert series_of(seen) == series_of(read(tmp_path, plain(loads)))


def test_a_row_without_a_time_of_day_is_a_bad_row(tmp_path):
    rows = "".join(f"2026-04-06,12:00:0{second},{second}\n" for second in range(5))
    assert read(tmp_path, f"date,time,queue\n{rows}2026-04-06,,9\n").rows_skipped == 1


@pytest.mark.parametrize("digits", [6, 12])
def test_days_of_a_spreadsheet(tmp_path, digits):
    loads = [(row / 8, row) for row in range(250)]
    days = [(time - datetime(1899, 12, 30, tzinfo=UTC)) / timedelta(days=1) for time in times(250)]
    rows = [f"{day:.{digits}f},{rate},{queue}\n" for day, (rate, queue) in zip(days, loads, strict=True)]
    assert series_of(read(tmp_path, "time,rate,queue\n" + "".join(rows))) == series_of(read(tmp_path, plain(loads)))


@pytest.mark.parametrize(("start", "unit"), [(817_408_800, 1), (639_000_000_000_000_000, 10**7)])
def test_numbers_since_another_epoch_are_not_taken_for_unix_times(tmp_path, start, unit):
    """Apple counts seconds from 2001, .NET 100 ns from year 1: as Unix times, both are of before 2001."""
    rows = "".join(f"{start + row * 30 * unit},1,{row}\n" for row in range(30))
    outcome = entro("analyze", "-", stdin=f"timestamp,rate,queue\n{rows}".encode())
    assert "the dates shown are not real" in outcome.err or "does not hold times" in outcome.error


def test_offsets_stay_offsets(tmp_path):
    rows = "".join(f"{40_000 + 10 * row},{row}\n" for row in range(30))
    assert read(tmp_path, "t,queue\n" + rows).zone == "offsets, no date"


@pytest.mark.parametrize(("unit", "length"), [("s", 10**9), ("ms", 10**6), ("us", 10**3), ("ns", 1)])
def test_an_option_names_the_unit_of_offsets(tmp_path, unit, length):
    rows = "".join(f"{5000 * row},{row}\n" for row in range(30))
    seen = read(tmp_path, "clock:in,queue\n" + rows, time_column=f"clock:in:{unit}")
    assert np.diff(seen.series[0].times).tolist() == [5000 * length] * 29


def test_a_column_whose_name_ends_like_a_unit(tmp_path):
    rows = "".join(f"{5 * row},{row}\n" for row in range(30))
    seen = read(tmp_path, "t:ms,queue\n" + rows, time_column="t:ms")
    assert np.diff(seen.series[0].times).tolist() == [5 * 10**6] * 29  # the unit is in the name, too


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_line_that_names_the_delimiter_for_excel(tmp_path, encoding, delimiter):
    loads = [(row / 8, row) for row in range(30)]
    content = f"sep={delimiter}\r\n{plain(loads)}".replace(",", delimiter).replace("\r\n", "\n").replace("\n", "\r\n")
    seen = read(tmp_path, content.encode(encoding))
    assert series_of(seen) == series_of(read(tmp_path, plain(loads)))
    assert seen.rows_skipped == 0


def test_a_time_of_day_behind_a_day_is_no_year(tmp_path):
    with pytest.raises(EntroError, match="does not hold times but Jun 14 15:16:01"):
        read(tmp_path, "time,queue\nJun 14 15:16:01,3\nJun 14 15:16:11,4\n")


@pytest.mark.parametrize("kind", ["decimal commas", "month first", "two pods"])
def test_a_table_read_in_two_parts_is_read_as_the_whole(tmp_path, kind):
    """The first rows show what later rows alone would leave open."""
    start = datetime(2026, 3, 30, tzinfo=UTC)
    if kind == "decimal commas":
        head, line = "time;rate;queue\n", lambda n: f"{'0,875' if n < 9 else '1,125'};{n + 1}.000"
    elif kind == "month first":
        head, line = "time,rate,queue\n", lambda n: f"1,{n}"
    else:
        head, line = "time,pod,rate,queue\n", lambda n: f"{n % 2},1,{n}"
    form = {"decimal commas": "%Y-%m-%d %H:%M;", "month first": "%m/%d/%Y %H:%M,", "two pods": "%Y-%m-%d %H:%M,"}[kind]
    between = timedelta(minutes={"decimal commas": 1, "month first": 30, "two pods": 1}[kind])
    rows = [f"{start + between * (n // 2 if kind == 'two pods' else n):{form}}{line(n)}\n" for n in range(500)]
    for name in ("whole", "parts"):
        log = tmp_path / f"{name}.csv"
        for part in [rows] if name == "whole" else [rows[:155], rows[155:]]:
            text = log.read_text() if log.exists() else head
            log.write_text(text + "".join(part))
            outcome = entro("ingest", log, "--history", tmp_path / name, "--tz", "UTC")
            assert outcome.status == 0, outcome.err
    exported = [
        entro("history", "export", "--history", tmp_path / name, "--tz", "UTC").out for name in ("whole", "parts")
    ]
    assert exported[0] == exported[1]
    assert len(exported[0].splitlines()) > 200


@pytest.mark.parametrize(("unit", "factor"), [(" req/s", 1), (" req/min", 60), ("/s", 1), (" rps", 1)])
def test_a_unit_in_the_cells_makes_a_count_a_rate(unit, factor, tmp_path):
    loads = [(row % 7, row % 3) for row in range(40)]
    rows = [
        f"{at:%Y-%m-%d %H:%M:%S},{rate * factor}{unit},{queue}"
        for at, (rate, queue) in zip(times(40), loads, strict=True)
    ]
    seen = read(tmp_path, "\n".join(["Time,Requests,Waiting", *rows]))
    assert series_of(seen) == series_of(read(tmp_path, plain(loads)))


def test_a_count_with_a_unit_of_time_that_is_no_load_is_named(tmp_path):
    rows = [f"{at:%Y-%m-%d %H:%M:%S},{row % 7} req/s,{row % 3}" for row, at in enumerate(times(40))]
    seen = read(tmp_path, "\n".join(["Time,Clicks,Waiting", *rows]))
    assert [str(problem) for problem in seen.problems] == [
        "only Waiting is read, as a queue: --stage NAME=COLUMN:KIND adds another of Clicks"
    ]


@pytest.mark.parametrize("word", ["N/A", "#N/A", "None", "-", "null"])
def test_a_word_for_a_missing_number_is_an_empty_cell(word, tmp_path):
    rows = [f"{at:%Y-%m-%d %H:%M:%S},{row % 7},{row if row % 5 else '?'}" for row, at in enumerate(times(40))]
    table = "\n".join(["time,rate,queue", *rows])
    seen = read(tmp_path, table.replace("?", word))
    assert (seen.rows_skipped, series_of(seen)) == (0, series_of(read(tmp_path, table.replace("?", ""))))


def test_whole_days_of_a_spreadsheet_in_a_column_of_dates(tmp_path):
    rows = "".join(f"{46352 + day},{day},{day}\n" for day in range(10))
    got = read(tmp_path, "Date,requests per day,backlog\n" + rows)
    first = datetime(2026, 11, 26, tzinfo=UTC).timestamp() * 1e9
    assert got.series[0].times.tolist() == [first + day * 86400 * 10**9 for day in range(10)]


@pytest.mark.parametrize(
    "form", ["{}. Dez. 2026 12:00", "{} Dez 2026 12:00:00", "{}. Dezember 2026, 12:00", "{} Dec 2026 12:00"]
)
def test_german_names(tmp_path, form):
    rows = "".join(f"{form.format(day)};{day};{day},5\n" for day in range(10, 20))
    got = read(tmp_path, "Zeit;Warteschlange;Anfragen/s\n" + rows)
    loads = {part.stage: (part.kind.value, part.values.tolist()) for part in got.series}
    assert loads["llm"] == ("queue", [float(day) for day in range(10, 20)])
    assert loads["scraper"] == ("rate", [day + 0.5 for day in range(10, 20)])
    assert got.series[0].times[0] == datetime(2026, 12, 10, 12, tzinfo=UTC).timestamp() * 1e9


def test_a_german_name_with_an_unknown_word_is_not_taken(tmp_path):
    with pytest.raises(EntroError, match="no column is recognised"):
        read(tmp_path, "Zeit,abgelehnte Anfragen/s\n2026-11-26T12:00:00Z,1\n2026-11-26T12:00:10Z,1\n")


def test_a_title_above_the_header(tmp_path):
    rows = "2026-11-26T12:00:00Z,1,2\n2026-11-26T12:00:10Z,3,4\n"
    assert series_of(read(tmp_path, "Report of November\n\ntime,rate,queue\n" + rows)) == series_of(
        read(tmp_path, "time,rate,queue\n" + rows)
    )
    below = read(tmp_path, "time,rate,queue\n\n" + rows)
    assert series_of(below) == series_of(read(tmp_path, "time,rate,queue\n" + rows))


def test_grafana_names_a_metric_in_its_labels(tmp_path):
    name = '"{{__name__=""vllm:num_requests_waiting"", instance=""{}:8000""}}"'
    got = read(tmp_path, f"Time,{name.format('a')},{name.format('b')}\n1795694400000,1,2\n1795694410000,3,4\n")
    assert [part.values.tolist() for part in got.series] == [[3.0, 7.0]]


def test_days_of_a_spreadsheet_with_decimal_commas(tmp_path):
    rows = [f"{46081 + row / 96:.8f};{row},5;{row}\n".replace(".", ",") for row in range(50)]
    got = read(tmp_path, "Datum;rate;queue\n" + "".join(rows))
    assert got.rows_skipped == 0
    assert got.series[0].times[0] == datetime(2026, 2, 28, tzinfo=UTC).timestamp() * 1e9
    assert got.series[0].values.tolist() == [row + 0.5 for row in range(50)]


def test_a_sample_that_is_undefined_is_missing(tmp_path):
    got = read(tmp_path, "Time,rate,queue\n2026-11-26T12:00:00Z,1,undefined\n2026-11-26T12:00:10Z,2,3\n")
    assert (got.rows_skipped, [part.values.tolist() for part in got.series]) == (0, [[1.0, 2.0], [3.0]])


def test_datadog_names_the_source_behind_its_query(tmp_path):
    names = ",".join(f"avg:vllm.num_requests.waiting{{*}} by {{host}} host:{host}" for host in "ab")
    got = read(tmp_path, f"Time,{names}\n2026-11-26T12:00:00Z,1,2\n2026-11-26T12:00:10Z,3,4\n")
    assert [part.values.tolist() for part in got.series] == [[3.0, 7.0]]


LOADS_IN_UNITS = {
    "a second line of the header": "time,rate,queue\nUTC,[1/min],requests\n{0},120,7\n{1},60,8\n",
    "units beside values": 'time,rate,rate_unit,queue\n{0},120,req/min,7\n{1},60,req/min,8\n',
    "units of a long table": "time,stage,value,unit\n{0},scraper,120,req/min\n{0},llm,7,requests\n"
    "{1},scraper,60,req/min\n{1},llm,8,requests\n",
    "units of measurement": "time,stage,value,uom\n{0},scraper,120,1/min\n{0},llm,7,\n"
    "{1},scraper,60,1/min\n{1},llm,8,\n",
    "units in JSON": '{{"time": "{0}", "rate": {{"value": 120, "unit": "Count/Minute"}}, "queue": 7}}\n'
    '{{"time": "{1}", "rate": {{"value": 60, "unit": "Count/Minute"}}, "queue": 8}}\n',
}  # fmt: skip


def test_a_unit_beside_a_column_called_value_and_one_without_a_name(tmp_path):
    content = ",time,value,unit\n" + "".join(f"0,2026-11-26T12:0{row}:00Z,60,req/min\n" for row in range(3))
    for text, rate in ((content, 1.0), (content.replace(",unit", "").replace(",req/min", ""), 60.0)):
        outcome = entro("analyze", "-", "--stage", "scraper=value:rate", "--steps-csv", "-", stdin=text.encode())
        assert float(outcome.out.splitlines()[1].split(",")[1]) == rate


@pytest.mark.parametrize("kind", LOADS_IN_UNITS)
def test_units_that_stand_beside_the_numbers_are_read(tmp_path, kind):
    seen = read(tmp_path, LOADS_IN_UNITS[kind].format("2026-11-26T12:00:00Z", "2026-11-26T12:01:00Z"))
    loads = {part.stage: part.values.tolist() for part in seen.series}
    assert loads == {"scraper": [2.0, 1.0], "llm": [7.0, 8.0]}


@pytest.mark.parametrize(
    ("content", "unit"),
    [
        ("time,rate,queue\n,req/s,K\n{0},2,7\n{1},1,8\n", "K"),
        ("time,stage,value,unit\n{0},llm,1,%\n{1},llm,2,%\n", "%"),
        ("time,stage,value,unit\n{0},scraper,1,req/s\n{1},scraper,60,req/min\n", "req/min and req/s"),
    ],
)
def test_units_that_no_load_has_are_refused(tmp_path, content, unit):
    with pytest.raises(EntroError, match=f"is in {unit}"):
        read(tmp_path, content.format("2026-11-26T12:00:00Z", "2026-11-26T12:01:00Z"))


ROWS = "2026-11-26T12:0{0}:00Z,1,5\n2026-11-26T12:0{1}:00Z,2,6\n"


@pytest.mark.parametrize("header", ["time,queue,rate", "time,requests_per_min,queue", "time, queue, rate"])
def test_a_second_header_with_other_columns_is_refused(tmp_path, header):
    with pytest.raises(EntroError, match="has a second header"):
        read(tmp_path, f"time,rate,queue\n{ROWS.format(0, 1)}{header}\n{ROWS.format(2, 3)}")


def test_a_second_header_with_the_same_columns_is_a_bad_row(tmp_path):
    seen = read(tmp_path, f"time,rate,queue\n{ROWS.format(0, 1)}time,rate,queue\n{ROWS.format(2, 3)}")
    assert [row.line for row in seen.bad_rows] == [4]
    assert [part.values.tolist() for part in seen.series] == [[1.0, 2.0, 1.0, 2.0], [5.0, 6.0, 5.0, 6.0]]
