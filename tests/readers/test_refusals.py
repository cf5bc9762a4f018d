"""Logs of other tools are refused, in words that show what they are and what is read."""

import random

import pytest

from entro_cli.readers.registry import our_readers
from tests.marks import slow
from tests.running import entro

HOSTS = ("10.250.19.102", "172.16.4.9", "192.168.1.77")


def apache_access(draw, at):
    return (
        f"{draw.choice(HOSTS)} - - [04/Dec/2005:04:{at // 60 % 60:02}:{at % 60:02} +0000] "
        f'"GET /img/{at}.png HTTP/1.1" 200 {draw.randrange(9999)} "-" "Mozilla/5.0 (X11; Linux)"'
    )


def apache_error(draw, at):
    return (
        f"[Sun Dec 04 04:{at // 60 % 60:02}:{at % 60:02} 2005] [error] mod_jk child workerEnv in error state {at % 9}"
    )


def hdfs(draw, at):
    return (
        f"081109 2036{at % 60:02} {draw.randrange(200)} INFO dfs.DataNode$PacketResponder: "
        f"PacketResponder {at % 3} for block blk_{draw.randrange(10**12)} terminating"
    )


def syslog(draw, at):
    return (
        f"Jun 14 15:{at // 60 % 60:02}:{at % 60:02} combo sshd(pam_unix)[{19000 + at}]: authentication failure; "
        f"logname= uid=0 euid=0 tty=NODEVssh ruser= rhost={draw.choice(HOSTS)}"
    )


def spark(draw, at):
    return f"17/06/09 20:{at // 60 % 60:02}:{at % 60:02} INFO storage.BlockManager: Found block rdd_42_{at} locally"


def hadoop(draw, at):
    return (
        f"2015-10-18 18:{at // 60 % 60:02}:{at % 60:02},{at % 1000:03} INFO [main] "
        f"org.apache.hadoop.mapreduce.v2.app.MRAppMaster: Executing with tokens: {at}"
    )


def openstack(draw, at):
    return (
        f"nova-api.log.1.2017-05-16_13:53:08 2017-05-16 00:{at // 60 % 60:02}:{at % 60:02}.008 25746 INFO "
        f'nova.osapi_compute.wsgi.server [req-{at:08x}] "GET /v2/servers HTTP/1.1" len: {draw.randrange(2000)}'
    )


def zookeeper(draw, at):
    return (
        f"2015-07-29 17:{at // 60 % 60:02}:{at % 60:02},747 - INFO  [QuorumPeer[myid=1]/0:0:0:0:0:0:0:0:2181:"
        f"FastLeaderElection@{draw.randrange(900)}] - Notification time out: {at}"
    )


def bgl(draw, at):
    return (
        f"- {1117838570 + at} 2005.06.03 R02-M1-N0-C:J12-U11 2005-06-03-15.{at // 60 % 60:02}.{at % 60:02}.363779 "
        "R02-M1-N0-C:J12-U11 RAS KERNEL INFO instruction cache parity error corrected"
    )


def health_app(draw, at):
    return f"20171223-22:{at // 60 % 60}:{at % 60}:{at % 1000}|Step_LSC|30002312|onStandStepChanged {3579 + at}"


def proxifier(draw, at):
    return (
        f"[10.30 16:{at // 60 % 60:02}:{at % 60:02}] chrome.exe - proxy.example.edu.hk:5070 close, "
        f"{draw.randrange(9999)} bytes sent, {draw.randrange(99999)} bytes received, lifetime 00:{at % 60:02}"
    )


def nginx_json(draw, at):
    return f'{{"remote_addr":"{draw.choice(HOSTS)}","uri":"/a/{at}","status":"200","agent":"curl"}}'


KINDS = (apache_access, apache_error, hdfs, syslog, spark, hadoop, openstack, zookeeper, bgl, health_app, proxifier)


@pytest.mark.parametrize("kind", [*KINDS, nginx_json], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("rows", [3, slow(400)])
def test_it_is_refused_in_words_that_help(tmp_path, kind, rows):
    draw = random.Random(rows)
    log = tmp_path / "some.log"
    lines = [kind(draw, at) for at in range(rows)]
    log.write_text("\n".join(lines) + "\n")
    outcome = entro("analyze", log, "--tz", "UTC")
    assert (outcome.status, outcome.out) == (1, "")
    assert "some.log" in outcome.error
    if kind is health_app:  # a table by its bars, but without a header
        assert "no column is a time" in outcome.error
        assert "the columns are 20171223-22:0:0:0, Step_LSC" in outcome.error
    elif kind is apache_access:  # the format is known, and what it lacks is named
        assert "this looks like an nginx or Apache access log without timing" in outcome.error
        assert "add $request_time to nginx's log_format" in outcome.error
    elif kind is not nginx_json:  # a table, but without a time or a load
        shown = lines[0] if kind is not syslog else lines[0].partition("]: ")[2]  # what the journal wrapped
        assert shown[:20] in outcome.error
        assert "`entro formats` lists" in outcome.error
    assert entro("ingest", log, "--history", tmp_path / "h").status == 1


def test_the_formats_are_listed():
    text = " ".join(entro("formats").out.split())
    document = entro("formats", "--json").out
    for reader in our_readers():
        assert reader.name in text
        assert f'"{reader.name}"' in document
