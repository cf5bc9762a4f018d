"""docs/burn-rate.rules.yml: the burn-rate alerts of the reports as rules for Prometheus.

`python -m tests.burn_rate_rules` writes it; the tests compare.
"""

from pathlib import Path

from entro_cli.analysis.error_budget import DEFAULT_TARGET, RULES

FILE = Path(__file__).parents[1] / "docs" / "burn-rate.rules.yml"
UNITS = {"d": 86400, "h": 3600, "m": 60}


def duration(seconds):
    """A length of time as PromQL writes it."""
    return next(f"{seconds / unit:.0f}{name}" for name, unit in UNITS.items() if seconds % unit == 0)


def text():
    windows = sorted({window for rule in RULES for window in (rule.long_s, rule.short_s)})
    allowed = round(1 - DEFAULT_TARGET, 12)
    lines = [
        "# Alerts of the counters that `entro ingest`, `entro watch` and `entro coordinate` export: see alerts.md.",
        f"# {allowed} is the share of steps that the objective of {DEFAULT_TARGET:.0%} allows to be over the budget.",
        "# Made by `python -m tests.burn_rate_rules` from the alerts of entro's reports.",
        "groups:",
        "  - name: entro_burn_rate",
        "    rules:",
    ]
    for window in map(duration, windows):
        counters = f"entro_violating_steps_total[{window}]", f"entro_observed_steps_total[{window}]"
        lines += [
            f"      - record: entro:burn_rate:{window}",
            f"        expr: increase({counters[0]}) / increase({counters[1]}) / {allowed}",
        ]
    for rule in RULES:
        long, short, limit = duration(rule.long_s), duration(rule.short_s), f"{rule.threshold:g}"
        lines += [
            "      - alert: EntroBurnRate",
            f"        expr: entro:burn_rate:{long} > {limit} and entro:burn_rate:{short} > {limit}",
            f"        labels: {{severity: {rule.severity}, window: {long}}}",
            "        annotations:",
            '          summary: \'{{ $labels.pipeline }}: burn rate {{ $value | printf "%.1f" }} '
            f"over {long} and above {limit} over {short}'",
        ]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    FILE.write_text(text())
