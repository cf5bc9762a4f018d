"""An invalid value is reported in one line: the file, the line, the key and the expected value."""

import json
import os
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entro_cli.config.keys import ALIASES, ANY, KEYS
from tests.running import entro

BAD = {
    "gamma = 0": "gamma: is 0; expected a number above 0",
    "gamma = inf": "gamma: is inf; expected a number above 0",
    "gamma = nan": "gamma: is nan; expected a number above 0",
    "gamma = true": "gamma: is True; expected a number above 0",
    'gamma = "1"': "gamma: is '1'; expected a number above 0",
    "gamma = {a = 1}": "gamma: is a table; expected a number above 0",
    "gamma = 0x" + "f" * 9000: "gamma: is too large; expected a number above 0",
    "alpha = 1.01": "alpha: is 1.01; expected a number above 0 and at most 1",
    "gain = 0": "gain: is 0; expected a number above 0 and at most 1",
    "guard = 1.5": "guard: is 1.5; expected a number from 0 to 1",
    "alpha = 0": "alpha: is 0; expected a number above 0 and at most 1",
    "beta = -2": "beta: is -2; expected a number above 0",
    "capacity = 0.0": "capacity: is 0.0; expected a number above 0",
    "wait = 0": 'wait: is 0; expected a duration such as "8s", or seconds as a number, above 0',
    "wait = nan": 'wait: is nan; expected a duration such as "8s", or seconds as a number, above 0',
    'wait = "8 parsecs"': "wait: '8 parsecs' is not a duration; "
    "expected a number above 0 with ms, s, min, h, d or w: 10s",
    'objective = "101%"': "objective: '101%' is not an objective; expected a share such as 99% or 0.99",
    "objective = 99": "objective: '99.0' is not an objective; expected a share such as 99% or 0.99",
    "objective = [1]": 'objective: is [1]; expected a share such as "99%" or 0.99',
    'step = "10"': "step: '10' is not a duration; expected a number above 0 with ms, s, min, h, d or w: 10s",
    "step = 10": 'step: is 10; expected a duration such as "10s"',
    "retention = 400": 'retention: is 400; expected a duration such as "2h" or "400d"',
    'silence = "0s"': "silence: '0s' is not a duration; expected a number above 0 with ms, s, min, h, d or w: 10s",
    'zone = "Mars/Olympus"': "zone: unknown time zone 'Mars/Olympus'; expected a name such as UTC or Europe/Berlin",
    'zone = "../../etc/passwd"': "zone: unknown time zone '../../etc/passwd'; "
    "expected a name such as UTC or Europe/Berlin",
    'start = "noon"': "start: 'noon' is not a date or time; expected 2026-04-06 or 2026-04-06T12:30:00Z",
    "start = 12:30:00": "start: is datetime.time(12, 30); expected a date or a time, such as 2026-04-06T12:30:00Z",
    'history = ""': "history: is ''; expected a path or a URL",
    'history = "a\\u0000b"': "history: is 'a\\x00b'; expected a path or a URL",
    'history = "s3://"': "history: is 's3://'; expected a path or a URL",
    'history = "s3://b\\u0000b"': "history: is 's3://b\\x00b'; expected a path or a URL",
    "history = 3": "history: is 3; expected a path or a URL",
    'strict = "yes"': "strict: is 'yes'; expected true or false",
    'logs = "a.csv"': "logs: is 'a.csv'; expected a list of files, folders, patterns or URLs",
    'logs = ["-"]': "logs: is ['-']; expected a list of files, folders, patterns or URLs",
    'offset = ["a.csv"]': "offset: 'a.csv' is not an offset; expected FILE=+3s or FILE=-1h",
    "fail_on = [1]": "fail_on: is [1]; expected a list of non-empty texts",
    '[stages.llm]\nkind = "heap"': "stages.llm.kind: is 'heap'; expected one of rate, queue, generic",
    "[stages.llm]\nfull = 0": "stages.llm.full: is 0; expected a number above 0",
    '[stages.llm]\ncolumn = ""': "stages.llm.column: is ''; expected a non-empty text",
    "stages = 3": "stages: is not a table; expected [stages]",
    "[stages]\nllm = 3": "stages.llm: is not a table; expected [stages.llm]",
    **dict.fromkeys(
        ('[alerts]\ncommand = ""', '[alerts]\ncommand = "say \'hi"'),
        'alerts.command: cannot be used; expected a command, such as ["notify", "-x"] or "notify -x"',
    ),
    '[alerts]\nat_least = "x"': "alerts.at_least: 'x' is not a duration; "
    "expected a number above 0 with ms, s, min, h, d or w: 10s",
    '[alerts.email]\nto = ["a"]': "alerts.email.to: is ['a']; expected a list of mail addresses",
    '[alerts.email]\nto = ["a@b\\nBcc: c@d"]': "alerts.email.to: is ['a@b\\nBcc: c@d']; "
    "expected a list of mail addresses",
    "[alerts.email]\nport = 65536": "alerts.email.port: is 65536; expected a whole number from 1 to 65535",
    "[alerts.email]\nport = 2.5": "alerts.email.port: is 2.5; expected a whole number from 1 to 65535",
    '[alerts.email]\nsecurity = "ssl"': "alerts.email.security: is 'ssl'; expected one of none, starttls, tls",
    "pipelines = 3": "pipelines: is not a table; expected [pipelines]",
    "[pipelines]\na = 3": "pipelines.a: is not a table; expected [pipelines.a]",
    "[pipelines.a]\ngamma = -1": "pipelines.a.gamma: is -1; expected a number above 0",
    "[pipelines.a.stages.llm]\nfull = -1": "pipelines.a.stages.llm.full: is -1; expected a number above 0",
}


@pytest.mark.parametrize("text", BAD)
def test_a_value_that_cannot_be(write, text):
    write(f"# comment\n{text}\n")
    line = 2 + text.count("\n")
    assert entro("config").error == f"entro.toml, line {line}: {BAD[text]}".replace("\n", " ")


def test_a_gate_that_cannot_be_read(write):
    write('fail_on = ["violations"]')
    assert entro("config").error == (
        "entro.toml: fail_on: 'violations' is not a gate; expected NAME>NUMBER, such as violations>10 or critical>5%"
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("# gamma = 1\n  'gamma'=-1", 2),
        ('"gamma" = -1', 1),
        ("[pipelines]\n[pipelines . 'a']\nzone = 'UTC'\ngamma = -1", 4),
        ("[pipelines.b]\ngamma = 1\n[pipelines.a] # its own\n\ngamma = -1", 5),
        ("[pipelines]\nb.gamma = 1\na.gamma = -1", 3),
        ("\npipelines = {a = {gamma = -1}}", 2),
        ("[pipelines.a.stages]\nllm = {full = 1}\n[pipelines.a.stages.x]\nfull = -1", 4),
    ],
)
def test_the_line_of_a_value_is_found_however_it_is_written(write, text, line):
    write(text)
    assert entro("config").error.startswith(f"entro.toml, line {line}: ")


def test_looking_for_the_line_takes_no_time(write):
    write("gamma = -1 # " + " " * 400_000 + "\nlogs = [\n" + " " * 400_000 + "]\n" + "#\n" * 50_000)
    begin = time.monotonic()
    assert entro("config").error.startswith("entro.toml, line 1: gamma: ")
    assert time.monotonic() - begin < 2


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[[alerts]]", "alerts: is not a table; expected [alerts]"),
        ('[pipelines.""]\ngamma = 1', "'' is not a valid name of a pipeline; expected a name of printable characters"),
        (
            '[pipelines."a\\u001b"]',
            "'a\\x1b' is not a valid name of a pipeline; expected a name of printable characters",
        ),
        ('[stages."\\n"]\nfull = 1', "'\\n' is not a valid name of a stage; expected a name of printable characters"),
    ],
)
def test_a_table_that_cannot_be(write, text, place):
    write(text)
    assert entro("config").error.endswith(place)


PLACES = sorted({key.path[:-1] for key in KEYS}, key=len)
NEAREST = [(key.path[:-1], key.path[-1]) for key in KEYS]


@pytest.mark.parametrize("outer", [(), ("pipelines", "frontend")])
@pytest.mark.parametrize(("place", "name"), NEAREST, ids=[key.name for key in KEYS])
def test_an_unknown_key_of_any_depth_names_the_nearest(write, outer, place, name):
    table = [*outer, *("llm" if part == ANY else part for part in place)]
    wrong = f"{name}x"
    write((f"[{'.'.join(table)}]\n" if table else "\n") + f"{wrong} = 1\n")
    where = ".".join([*table, wrong])
    assert entro("config").error == f"entro.toml, line 2: {where}: unknown key; did you mean {name}?"


@given(st.text(min_size=1, max_size=8))
def test_no_key_does_anything_unknown(tmp_path_factory, name):
    """Whatever a key is called: it is known, or there is one line about it."""
    folder = tmp_path_factory.mktemp("any")
    line = f"{json.dumps(name)} = {{}}\n".replace("\x7f", "\\u007f")
    (folder / "any.toml").write_text(line)
    outcome = entro("config", "--config", folder / "any.toml")
    assert outcome.status == 1 or name in {"alerts", "stages", "pipelines"}
    assert outcome.status == 0 or outcome.error


def test_a_mistyped_table_and_a_key_like_no_other(write):
    write("[alert]\n")
    assert entro("config").error == "entro.toml, line 1: alert: unknown key; did you mean alerts?"
    write("[stages.llm]\nqqq = 1\n")
    assert entro("config").error == (
        "entro.toml, line 2: stages.llm.qqq: unknown key; the keys here are column, kind, full, feeds"
    )


@pytest.mark.parametrize(
    ("table", "ways"),
    [
        ("alerts.email", "password_env or password_file"),
        ("pipelines.a.alerts.email", "password_env or password_file"),
        ("alerts.webhook", "url_env or url_file"),
        ("alerts", "email.password_env or email.password_file"),
    ],
)
def test_a_password_does_not_belong_into_the_file(write, table, ways):
    write(f'[{table}]\npassword = "hunter2"\n')
    error = entro("config").error
    assert error == (
        f"entro.toml, line 2: {table}.password: a secret does not belong in the file; "
        f"name the variable or the file that holds it with {ways}"
    )


@pytest.mark.parametrize(
    "url", ['"ftp://hunter2"', '"hunter2"', '"https://[hunter2"', '["hunter2"]', '"https://a b/hunter2"']
)
def test_an_address_that_cannot_be_is_not_shown(write, monkeypatch, url):
    write(f"[alerts.webhook]\nurl = {url}\n")
    error = "cannot be used; expected a URL that begins with https:// or http://"
    assert entro("config").error == f"entro.toml, line 2: alerts.webhook.url: {error}"
    write("")
    monkeypatch.setenv("ENTRO_ALERTS_WEBHOOK_URL", "hunter2")
    assert entro("config").error == f"ENTRO_ALERTS_WEBHOOK_URL: {error}"


def test_values_that_do_not_go_together(write):
    write('[alerts.email]\nto = ["a@b"]\npassword_env = "A"\npassword_file = "b"\n')
    assert entro("config").error == (
        "entro.toml: both alerts.email.password_env and alerts.email.password_file are set; expected only one of them"
    )
    write('[alerts.email]\nhost = "mail"\n')
    assert entro("config").error == ('entro.toml: alerts.email.to is missing; expected to = ["someone@example.org"]')


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"gamma = = 2", "entro.toml: is not TOML: Invalid value (at line 1, column 9); "),
        (b"a = 1\na = 2", "entro.toml: is not TOML: Cannot overwrite a value (at end of document); "),
        (b"a = " + b"[" * 5000, "entro.toml: is not TOML: "),
        (b"a = 1\n\nzone = '\xff'", "entro.toml, line 3: is not UTF-8; "),
        (b"#" * (1 << 20) + b"#", "entro.toml: is larger than 1 MiB; "),
    ],
    ids=["syntax", "twice", "deep", "latin-1", "large"],
)
def test_a_file_that_is_none(write, content, error):
    write(content)
    assert entro("config").error.startswith(error)


def test_a_file_with_a_byte_order_mark_and_other_line_ends(write, shown):
    write(b"\xef\xbb\xbfgamma = 0.5\r\nstep = '2s'\r\n")
    assert shown()["gamma"][0] == 0.5


def test_a_file_that_cannot_be_read(folder):
    assert entro("config", "--config", "none.toml").error == (
        "none.toml: cannot be read: No such file or directory; expected a configuration file"
    )
    assert entro("config", "--config", folder).error.endswith("is a folder; expected a file such as entro.toml")
    if os.getuid():
        (folder / "entro.toml").touch(mode=0)
        assert "Permission denied" in entro("config").error


def test_names_are_shown_safely(write):
    write('"\\u001b[31m" = 1\n')
    assert entro("config").error.startswith("entro.toml, line 1: \\x1b[31m: unknown key")


def test_an_unknown_pipeline(write):
    write("[pipelines.frontend]\n[pipelines.backend]\n")
    assert entro("config", "--pipeline", "fronted").error == (
        "--pipeline: unknown pipeline 'fronted' in entro.toml; expected one of frontend, backend; "
        "did you mean frontend?"
    )
    assert entro("config").status == 0
    write("")
    assert entro("config", "--pipeline", "anything").status == 0


def test_a_suggestion_is_close_or_another_word_for_the_key(write):
    write("budget = 3.0\n")
    assert entro("config").error == "entro.toml, line 1: budget: unknown key; did you mean gamma?"
    write("[pipelines.a]\nTZ = 'UTC'\n")
    assert entro("config").error == "entro.toml, line 2: pipelines.a.TZ: unknown key; did you mean zone?"
    write("[stages.llm]\nbudget = 3.0\n")
    assert entro("config").error.endswith("budget: unknown key; the keys here are column, kind, full, feeds")
    write("nope = 1\n")
    assert entro("config").error.endswith("nope: unknown key; `entro config --config /dev/null` lists the keys")
    write("[pipelines.Frontend]\n[pipelines.b]\n[pipelines.c]\n[pipelines.d]\n[pipelines.e]\n")
    where = "--pipeline: unknown pipeline '{}' in entro.toml; expected one of Frontend, b, c and 2 more"
    assert entro("config", "--pipeline", "nope").error == where.format("nope")
    assert entro("config", "--pipeline", "fronted").error == f"{where.format('fronted')}; did you mean Frontend?"


def test_every_alias_is_of_a_key_and_is_none():
    names = {key.name for key in KEYS}
    assert set(ALIASES.values()) <= names
    assert not names & ALIASES.keys()
