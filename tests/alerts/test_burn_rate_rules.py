"""The rules for Prometheus fire in the minutes in which the report's own alerts do."""

import json
import random
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from itertools import accumulate, chain
from typing import NamedTuple

import pytest

from entro_cli.core import formatting
from tests import burn_rate_rules
from tests.burn_rate_rules import duration
from tests.running import entro
from tests.schedule.system import require_program

PROMTOOL = shutil.which("promtool") or "/usr/bin/promtool"
BEGIN = datetime(2026, 4, 6, tzinfo=UTC)


def promtool(*arguments, cwd=None):
    require_program(PROMTOOL, "prometheus")
    checked = subprocess.run([PROMTOOL, *arguments], capture_output=True, text=True, check=False, cwd=cwd)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_file_has_the_rules_of_the_reports():
    assert burn_rate_rules.FILE.read_text() == burn_rate_rules.text(), "run python -m tests.burn_rate_rules"
    page = burn_rate_rules.FILE.with_name("alerts.md").read_text()
    for rule in burn_rate_rules.RULES:
        windows = " | ".join(map(formatting.duration, (rule.long_s, rule.short_s)))
        assert f"| {rule.severity} | {windows} | {rule.threshold:g} |" in page
    promtool("check", "rules", str(burn_rate_rules.FILE))


class Made(NamedTuple):
    """A log of a pipeline: what is known of each step, "over" the budget, "within" it, or "nothing".

    A step shows in the counters when it ends, so the rules fire a step after the begin of the one that a report names.
    """

    step_min: int
    steps: list[str]

    def write(self, file):
        loads = {"over": "2.5,60", "within": "0.3,0"}
        times = (BEGIN + timedelta(minutes=self.step_min * number) for number in range(len(self.steps)))
        rows = (
            f"{time:%Y-%m-%dT%H:%M}Z,{loads[one]}\n"
            for time, one in zip(times, self.steps, strict=True)
            if one in loads
        )
        file.write_text("time,scraper_rate,llm_queue\n" + "".join(rows))

    def counter(self, *counted):
        return list(accumulate((int(one in counted) for one in self.steps), initial=0))

    def fired(self, alert):
        """The evaluations at which an alert of a report fires, by their number."""
        step = timedelta(minutes=self.step_min)
        begin = (datetime.fromisoformat(alert["start"]) - BEGIN) // step
        after = (datetime.fromisoformat(alert["until"]) - BEGIN) // step if alert["until"] else len(self.steps)
        return range(begin + 1, after + 1)

    def query(self, expression, step, samples):
        return {"expr": expression, "eval_time": f"{step * self.step_min}m", "exp_samples": samples}

    def queries(self, alerts, severity, window):
        """Queries for the alerts of one rule: at both of their ends, beside them, and for their length in all."""
        name = f'alertname="EntroBurnRate", alertstate="firing", pipeline="made", severity="{severity}"'
        labels = f'{{{name}, window="{window}"}}'
        fired = [self.fired(alert) for alert in alerts]
        for step in chain.from_iterable((one[0], one[-1]) for one in fired):
            yield self.query(f"ALERTS{labels}", step, [{"labels": f"ALERTS{labels}", "value": 1}])
        for step in chain.from_iterable((one[0] - 1, one[-1] + 1) for one in fired):
            if step <= len(self.steps):
                yield self.query(f"ALERTS{labels}", step, [])
        total = [{"labels": labels, "value": sum(map(len, fired))}]
        yield self.query(f"count_over_time(ALERTS{labels}[10d])", len(self.steps), total)


def made(step_min, days, seed):
    count, draw = days * 1440 // step_min, random.Random(seed)
    steps = ["within"] * count
    for what, times, longest in (("over", count // 200, 30), ("nothing", 4, 150), ("over", 3, 90)):
        for _ in range(times):
            begin, length = draw.randrange(1, count - 100), draw.randint(2, longest)
            steps[begin : begin + length] = [what] * length
    return Made(step_min, steps[:count])


@pytest.mark.slow
@pytest.mark.parametrize(("step_min", "days"), [(1, 2), (5, 7)])
def test_they_fire_in_the_minutes_of_the_reports(tmp_path, step_min, days):
    log = made(step_min, days, seed=1)
    log.write(tmp_path / "log.csv")
    outcome = entro("report", tmp_path / "log.csv", "--step", f"{step_min}min", "--format", "json", "--tz", "UTC")
    assert outcome.status == 0, outcome.err
    figures = json.loads(outcome.out)["figures"]
    counters = {"observed": log.counter("over", "within"), "violating": log.counter("over")}
    assert [figures["observed_steps"], figures["violations"]] == [values[-1] for values in counters.values()]
    tests = []
    for rule in burn_rate_rules.RULES:
        alerts = [one for one in figures["objective"]["alerts"] if one["long_window_s"] == rule.long_s]
        assert any(alert["until"] for alert in alerts), "without an end in sight this shows little"
        tests += log.queries(alerts, rule.severity, duration(rule.long_s))
    series = [
        {"series": f'entro_{name}_steps_total{{pipeline="made"}}', "values": " ".join(map(str, values))}
        for name, values in counters.items()
    ]
    interval = f"{step_min}m"
    document = {
        "rule_files": [str(burn_rate_rules.FILE)],
        "evaluation_interval": interval,
        "tests": [{"interval": interval, "input_series": series, "promql_expr_test": tests}],
    }
    (tmp_path / "test.json").write_text(json.dumps(document))
    promtool("test", "rules", "test.json", cwd=tmp_path)
