"""`entro analyze` and `entro simulate` with a configuration."""

import json

import pytest

from tests.running import entro

WIDE = "when,scraper_rate,llm_queue,waiting\n" + "".join(
    f"2026-04-06 12:00:{second:02},{1 + second % 3},{second % 5},{second % 7}\n" for second in range(60)
)
NARROW = "".join(f"{line.rpartition(',')[0]}\n" for line in WIDE.splitlines())
LONG = "time,stage,value\n" + "".join(
    f"2026-04-06T12:00:{second:02}Z,{stage},{second % 4}\n" for second in range(60) for stage in ("llm", "cpu")
)


@pytest.fixture
def analysis(write):
    """The document of an analysis under a configuration."""

    def analysed(config, *arguments, log=WIDE):
        write(config)
        write(log, "log.csv")
        outcome = entro("analyze", "log.csv", "--json", *arguments)
        assert outcome.status == 0, outcome.err
        return json.loads(outcome.out), outcome.err

    return analysed


def full_loads(document):
    return {stage["name"]: (stage["kind"], stage["full"]) for stage in document["stages"]}


def test_analyze_as_configured(analysis):
    config = """
        zone = "Europe/Berlin"
        step = "2s"
        gamma = 0.5
        objective = "95%"
        time = "when"
        capacity = 2.4
        wait = "5s"
        [stages.llm]
        column = "waiting"
    """
    document, errors = analysis(config)
    assert errors == ""
    assert document["start"] == "2026-04-06T12:00:00+02:00"
    assert (document["step_s"], document["budget"], document["objective"]["target"]) == (2.0, 2.0, 0.95)
    assert full_loads(document) == {"llm": ("queue", 12.0), "scraper": ("rate", 6.0)}


def test_options_of_analyze_come_over_it(analysis):
    config = 'zone = "Europe/Berlin"\nstep = "2s"\ngamma = 0.5\nobjective = 0.95\n'
    document, _ = analysis(config, "--tz", "UTC", "--step", "5s", "--budget", "1.5", "--objective", "90%", log=NARROW)
    assert document["start"] == "2026-04-06T12:00:00+00:00"
    assert (document["step_s"], document["budget"], document["objective"]["target"]) == (5.0, 1.5, 0.9)


def test_a_stage_of_the_command_line_keeps_what_it_leaves_out(analysis):
    config = '[stages.llm]\ncolumn = "llm_queue"\nkind = "queue"\nfull = 22\n'
    document, _ = analysis(config, "--tz", "UTC", "--stage", "llm=waiting")
    assert full_loads(document)["llm"] == ("queue", 22.0)
    document, _ = analysis(config, "--tz", "UTC", "--stage", "llm=waiting:queue:7")
    assert full_loads(document)["llm"] == ("queue", 7.0)
    document, _ = analysis(config, "--tz", "UTC", "--stage", "llm=waiting:generic")
    assert full_loads(document)["llm"][1] == pytest.approx(6.389, abs=1e-3)


def test_a_stage_without_a_column_describes_the_one_recognised(analysis):
    log = WIDE.replace(",waiting", ",gpu")
    config = (
        'zone = "UTC"\nfull_loads = "published"\n[stages.llm]\nfull = 22\n[stages.gpu]\nkind = "generic"\nfull = 4\n'
    )
    document, errors = analysis(config, log=log)
    assert errors == ""
    assert full_loads(document) == {"gpu": ("generic", 4.0), "scraper": ("rate", 3.0), "llm": ("queue", 22.0)}


def test_a_stage_without_a_column_may_say_what_the_recognised_one_is(analysis):
    log = WIDE.replace(",waiting", ",other")
    document, _ = analysis('zone = "UTC"\n[stages.llm]\nkind = "generic"\n', log=log)
    assert full_loads(document)["llm"][0] == "generic"


def test_stages_of_a_long_table(analysis):
    document, errors = analysis('[stages.llm]\nfull = 22\n[stages.cpu]\nkind = "generic"\nfull = 8\n', log=LONG)
    assert errors == ""
    assert full_loads(document) == {"cpu": ("generic", 8.0), "llm": ("queue", 22.0)}


def test_what_the_logs_do_not_have_is_told_and_does_no_harm(analysis):
    config = 'zone = "UTC"\noffset = ["other.csv=+3s", "log.csv=+1h"]\n[stages.gpu]\ncolumn = "gpu"\nkind = "generic"\n'
    document, errors = analysis(config, "--stage", "llm=waiting")
    assert errors == "warning: no log has samples of gpu, the column of the stage gpu\n"
    assert document["start"] == "2026-04-06T13:00:00+00:00"


def test_when_no_column_is_one_of_those_described(write):
    write('[stages.llm]\ncolumn = "pending"\nkind = "queue"\n')
    write("time,waiting\n1,2\n2,3\n", "log.csv")
    assert "no column is called pending, and none is recognised as another rate or queue" in (
        entro("analyze", "log.csv").error
    )


@pytest.mark.parametrize("way", ["file", "variable"])
def test_strict_and_redact(write, monkeypatch, way):
    write("strict = true\nredact = true\n" if way == "file" else "")
    if way == "variable":
        monkeypatch.setenv("ENTRO_STRICT", "true")
        monkeypatch.setenv("ENTRO_REDACT", "1")
    write("time,rate\n2026-04-06T12:00:00Z,1\n2026-04-06T12:00:01Z,hunter2\n2026-04-06T12:00:02Z,1\n", "log.csv")
    error = entro("analyze", "log.csv").error
    assert "with --strict" in error
    assert "hunter2" not in error


def test_a_capacity_ends_the_warning_about_full_loads(write):
    rows = "".join(f"2026-04-06T12:{n // 60:02}:{n % 60:02}Z,300,{500 + n}\n" for n in range(600))
    write("time,rate,queue\n" + rows, "log.csv")
    write('wait = 4\nfull_loads = "published"\n')
    assert "the published full loads do not fit this log" in entro("analyze", "log.csv").err
    write("wait = 4\ncapacity = 300\n")
    assert entro("analyze", "log.csv").err == ""


@pytest.mark.parametrize("arguments", [("analyze", "log.csv"), ("simulate",), ("config",)])
def test_a_configuration_that_cannot_be_stops_every_command(write, arguments):
    write("gamma = -1\n")
    write(WIDE, "log.csv")
    assert entro(*arguments).error == "entro.toml, line 1: gamma: is -1; expected a number above 0"
    assert entro(*arguments, "--config", "/dev/null").status == 0 or arguments[0] == "analyze"


def test_simulate_as_configured(write):
    plain = json.loads(entro("simulate", "--json").out)
    write("gamma = 0.5\nalpha = 0.25\nbeta = 1.0\n")
    configured = json.loads(entro("simulate", "--json").out)
    said = json.loads(entro("simulate", "--json", "--budget", "2", "--alpha", "0.25", "--beta", "1").out)
    assert configured == said != plain
    over = json.loads(entro("simulate", "--json", "--budget", "3", "--alpha", "0.5", "--beta", "2").out)
    assert over == plain


@pytest.mark.parametrize(
    ("line", "users"),
    [
        ("headroom = 0.2", {"eq14", "v9", "predictive"}),
        ("gain = 0.9", {"eq14", "v9", "predictive"}),
        ("guard = 0.75", {"v9", "predictive"}),
    ],
)
def test_the_keys_that_tune_writes_change_the_simulated_controllers(write, line, users):
    def simulated(*options):
        runs = json.loads(entro("simulate", "--json", *options).out)["runs"]
        return {run["controller"]: run for run in runs}

    options = ("--controller", "family", "--stall", "320:380")
    plain, plain_graph = simulated(*options), simulated("--scenario", "chain")
    write(f"{line}\n")
    changed, changed_graph = simulated(*options), simulated("--scenario", "chain")
    assert {name for name in plain if plain[name] != changed[name]} == users
    assert changed_graph["uncontrolled"] == plain_graph["uncontrolled"]
    assert changed_graph["v9"] != plain_graph["v9"]
    out = " ".join(entro("simulate").out.split())
    clause = line.replace(" = ", " ")
    assert f"beta 2, {clause}, lag 1" in out
    assert f"v9: the published figures are not shown, as they are for other settings (here: {clause})" in out
