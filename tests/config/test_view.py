"""The output of `entro config`."""

import json

import pytest

from tests.running import entro

SECRET = '[alerts.webhook]\nurl = "https://user:hunter2@hooks.example.org:8443/T0/hunter2?key=hunter2"\n'


@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_of_an_address_only_scheme_and_host_are_shown(write, arguments):
    write(SECRET)
    outcome = entro("config", *arguments)
    assert outcome.status == 0
    assert "hunter2" not in outcome.out + outcome.err
    assert "https://hooks.example.or" in outcome.out


def test_the_lines_are_no_wider_than_80(write):
    write(
        'capacity = 2.6\nlogs = ["a/very/long/path/that/goes/on/and/on/*.csv"]\n[pipelines.a]\n[pipelines.a.stages.'
        + "n" * 60
        + ']\ncolumn = "'
        + "c" * 90
        + '"\nfull = 2\n'
    )
    out = entro("config", "--pipeline", "a").out
    assert max(map(len, out.splitlines())) <= 80
    assert out.startswith("a:")
    assert "Pipelines: a" in out.splitlines()


def test_what_a_person_reads(write):
    write('wait = "90s"\nretention = "400d"\nstrict = true\nfail_on = ["violations>10", "critical>5%"]\n')
    cells = {line.split()[0]: " ".join(line.split()[1:]) for line in entro("config").out.splitlines() if line}
    assert cells["wait"] == "1 min 30 s entro.toml"
    assert cells["strict"] == "yes entro.toml"
    assert cells["gamma"] == "0.75 default"
    assert cells["zone"] == "- default"


def test_the_document(write):
    path = write('[pipelines.one]\nwait = "90s"\n[pipelines.two]\n')
    document = json.loads(entro("config", "--json", "--pipeline", "one").out)
    assert document["schema"] == "entro/config/1"
    assert (document["file"], document["pipeline"]) == (str(path), "one")
    assert document["pipelines"] == ["one", "two"]
    assert document["values"]["wait"] == {"value": 90.0, "origin": "entro.toml [pipelines.one]"}
    assert document["values"]["alerts.email.to"] == {"value": [], "origin": "default"}


def test_text_of_a_file_is_shown_safely(write):
    write('time = "\\u001b[31mred [/bold]"\n')
    outcome = entro("config")
    assert "\x1b" not in outcome.out
    assert "[/bold]" in outcome.out
