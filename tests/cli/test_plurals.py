"""One thing is counted in the singular."""

import re

from tests.running import entro

ONE_OVER = "time,rate,queue\n" + "".join(f"2026-04-06T00:00:{at:02}Z,1,{90000 * (at == 30)}\n" for at in range(60))


def test_one_of_everything(tmp_path):
    log, history = tmp_path / "log.csv", tmp_path / "history"
    log.write_text(ONE_OVER)
    analysis = entro("analyze", log, "--save", "--history", history)
    assert "nat: 1 violation, " in analysis.out
    assert analysis.err.endswith("1 day changed\n")
    outputs = [analysis.out, analysis.err]
    for command in (
        ["report", "--daily", "--history", history, "--format", "terminal"],
        ["report", "--daily", "--history", history, "--format", "markdown", "--out", "-"],
        ["report", "--daily", "--history", history, "--format", "junit", "--out", "-"],
        ["history", "check", "--history", history],
        ["history", "show", "--history", history],
        ["history", "prune", "--before", "2026-05-01", "--dry-run", "--history", history],
        ["ingest", log, "--again", "--history", history],
    ):
        outcome = entro(*command)
        assert outcome.status == 0, outcome.err
        outputs += [outcome.out, outcome.err]
    things = "violation|step|day|row|log|file|incident|pipeline|sample|stage|byte|gate|request|hour"
    assert re.findall(rf"(?<![\w.,-])1 (?:{things})s\b", " ".join(" ".join(outputs).split())) == []
