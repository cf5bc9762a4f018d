from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entro_cli.analysis.gaps import activity_of
from entro_cli.analysis.gates import FailedGate
from entro_cli.analysis.incident_details import DetailedIncident
from entro_cli.automation.alerts.alert import Alert, utc_timestamp
from entro_cli.automation.alerts.rules import digest, gate_alert, incident_alerts, silence_alert, unusual_silence_alert
from entro_cli.core.clock import NS, nanoseconds
from entro_cli.timeseries.maintenance import parse_maintenance
from tests.alerts.conftest import NOW

BERLIN = ZoneInfo("Europe/Berlin")


def incident(start=datetime(2026, 4, 9, 16, 21, tzinfo=BERLIN), minutes=29, driver="llm", causes=()):
    return DetailedIncident(
        start=start,
        end=start + timedelta(minutes=minutes),
        duration_s=60.0 * minutes,
        violations=minutes,
        peak_coupled_load=8.029,
        peak_psi_total=8.029,
        excess_nat_s=6137.2,
        driver=driver,
        time_to_budget_s=None,
        causes=causes,
        stages=(),
        sentence="885 requests waiting at llm (full at 10), up to 12 min 18 s wait",
    )


def test_an_incident():
    (alert,) = incident_alerts("default", [incident()], 0, report_of=lambda one: f"/reports/{one.anchor}")
    assert alert == Alert(
        key="incident default 2026-04-09T14:21:00Z",
        pipeline="default",
        subject="entro: default over its budget for 29 min, driven by llm",
        text="default: 885 requests waiting at llm (full at 10), up to 12 min 18 s wait.\n"
        "Over the shared budget for 29 min, from 2026-04-09 16:21 CEST until 2026-04-09 16:50 CEST.\n"
        "Driver: llm (look here first)\n"
        "Report: /reports/incident-20260409T142100Z",
        kind="incident",
        start=incident().start,
        report="/reports/incident-20260409T142100Z",
    )


def test_only_what_lasted_long_enough_in_the_order_given():
    begun = [datetime(2026, 4, day, tzinfo=UTC) for day in (3, 1, 2)]
    incidents = [incident(start, minutes) for start, minutes in zip(begun, (10, 4, 5), strict=True)]
    alerts = incident_alerts("default", incidents, 300)
    assert [alert.start for alert in alerts] == [begun[0], begun[2]]
    assert "Report" not in alerts[0].text


def test_the_key_does_not_depend_on_the_zone_or_on_what_is_known_by_now():
    shown_in_utc = incident(incident().start.astimezone(UTC), minutes=45, driver="scraper")
    (first,) = incident_alerts("default", [incident()], 0)
    (later,) = incident_alerts("default", [shown_in_utc], 0)
    (other,) = incident_alerts("other", [incident()], 0)
    assert first.key == later.key != other.key


def test_silence():
    last = datetime(2026, 4, 9, 12, 40, tzinfo=UTC)
    alert = silence_alert("default", last.astimezone(BERLIN), NOW, 7200)
    assert alert is not None
    assert alert.key == "silence default 2026-04-09T12:40:00Z"
    assert alert.subject == "entro: default silent for 2 h 20 min"
    assert alert.text.startswith("No data has arrived for default since 2026-04-09 14:40 CEST, 2 h 20 min ago.\n")
    assert (alert.kind, alert.start) == ("silence", last)


@pytest.mark.parametrize("ago_s", [7200, 7199, 0, -1, -1e6])
def test_no_silence(ago_s):
    assert silence_alert("default", NOW - timedelta(seconds=ago_s), NOW, 7200) is None


def test_one_silence_is_one_key_and_the_next_another():
    last = NOW - timedelta(hours=3)
    keys = [
        silence_alert("default", data, now, 7200).key
        for data, now in [(last, NOW), (last, NOW + timedelta(days=1)), (NOW, NOW + timedelta(days=2))]
    ]
    assert keys[0] == keys[1] != keys[2]


def test_no_data_ever():
    alert = silence_alert("default", None, NOW, 7200)
    assert alert is not None
    assert alert.subject == "entro: default has no data yet"


def test_gates():
    assert gate_alert("default", "day 2026-04-09", []) is None
    first = gate_alert(
        "default", "day 2026-04-09", [FailedGate("violations>10", "29"), FailedGate("coverage<90%", "80%")], report="r"
    )
    later = gate_alert(
        "default", "day 2026-04-09", [FailedGate("violations>10", "31"), FailedGate("coverage<90%", "85%")]
    )
    one = gate_alert("default", "day 2026-04-09", [FailedGate("violations>10", "31")])
    assert first.subject == "entro: default failed 2 gates in day 2026-04-09: violations>10 (actual 29)"
    assert first.text.splitlines()[1:] == ["violations>10 (actual 29)", "coverage<90% (actual 80%)", "Report: r"]
    assert first.key == later.key != one.key


def test_a_digest_has_the_silence_first_and_the_newest_incidents():
    starts = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(30)]
    made = incident_alerts("default", map(incident, starts), 0, report_of=lambda one: f"https://r/#{one.anchor}")
    alerts = [*made, silence_alert("b", None, NOW, 1)]
    combined = digest(alerts)
    lines = combined.text.splitlines()
    assert combined.subject == "entro: 31 alerts for b, default, in one message"
    assert lines[1] == "- b has no data yet"
    assert (
        lines[2]
        == "- 2026-01-30 00:00 UTC: default over its budget for 29 min, driven by llm https://r/#incident-20260130T000000Z"
    )
    assert lines[-1] == "and 11 more"
    assert len(lines) == 22
    assert (combined.kind, combined.start) == ("digest", starts[0])
    assert combined.key == digest(alerts[::-1]).key != digest(alerts[1:]).key


@given(st.text(), st.text(max_size=20), st.sampled_from(["", "\r\nBcc: x@example.org", "\x1b[2J", "x" * 10_000]))
def test_whatever_the_names_are_an_alert_is_short_and_printable(pipeline, driver, hostile):
    names = pipeline + hostile, driver + hostile
    alerts = [
        *incident_alerts(names[0], [incident(driver=names[1])], 0, report_of=lambda _: hostile),
        silence_alert(names[0], None, NOW, 1),
        gate_alert(names[0], hostile, [FailedGate(hostile, names[1])]),
    ]
    for alert in [*alerts, digest(alerts)]:
        assert (alert.subject + alert.key + alert.pipeline).isprintable()
        assert all(line.isprintable() for line in alert.text.split("\n"))
        assert 0 < len(alert.subject) <= 150
        assert len(alert.key) < 250
        assert len(alert.text) < 7000


def test_two_long_names_are_two_keys():
    first, second = (silence_alert("x" * 10_000 + end, None, NOW, 1) for end in "ab")
    assert first.key != second.key


def runs_at(*hours_ago):
    """The activity of runs of ten minutes that began some hours before `NOW`."""
    begins = np.sort([nanoseconds(NOW - timedelta(hours=hours)) for hours in hours_ago])
    return activity_of(np.concatenate([begin + np.arange(10) * 60 * NS for begin in begins]), 60 * NS)


@pytest.mark.parametrize(("missed_h", "is_silent"), [(8, False), (23.9, False), (24.1, True), (50, True)])
def test_a_silence_that_is_not_usual(missed_h, is_silent):
    alert = unusual_silence_alert("default", runs_at(*(missed_h + 8 * number for number in range(30))), NOW)
    assert (alert is not None) is is_silent
    if alert is not None:
        assert alert.key == f"silence default {utc_timestamp(NOW - timedelta(hours=missed_h, minutes=-10))}"
        assert "A run usually begins every 8 h." in alert.text


@pytest.mark.parametrize("hours_ago", [(), (5,), (5, 10)], ids=str)
def test_without_a_usual_gap_nothing_is_unusual(hours_ago):
    activity = runs_at(*hours_ago) if hours_ago else activity_of(np.empty(0, np.int64), 60 * NS)
    assert unusual_silence_alert("default", activity, NOW) is None


@pytest.mark.parametrize("ahead_h", [-1, -1000])
def test_data_of_the_future_is_no_unusual_silence(ahead_h):
    activity = runs_at(*(30 + 8 * number for number in range(30)), ahead_h)
    assert unusual_silence_alert("default", activity, NOW) is None


def test_maintenance_is_no_unusual_silence():
    activity, window = (
        runs_at(*(26 + 8 * number for number in range(30))),
        parse_maintenance(["daily 00:00-06:00"], UTC, ""),
    )
    assert unusual_silence_alert("default", activity, NOW) is not None
    assert unusual_silence_alert("default", activity, NOW, window) is None
