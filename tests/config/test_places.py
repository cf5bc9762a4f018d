"""The choice of the configuration file, and the base of its relative paths."""

import json
import os
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import pytest

from entro_cli.config import OptionValue, load_config
from entro_cli.readers.inputs.log_file import find_logs
from tests.running import entro


def file_of(*arguments):
    return json.loads(entro("config", "--json", *arguments).out)["file"]


def test_the_order_in_which_a_file_is_looked_for(folder, write, monkeypatch):
    assert file_of() is None
    above, here, named, other = (write("", name) for name in ("entro.toml", "a/b/entro.toml", "x.toml", "y.toml"))
    (folder / "a/b/c").mkdir()
    monkeypatch.chdir(folder / "a")
    assert file_of() == str(above)
    monkeypatch.chdir(folder / "a/b/c")
    assert file_of() == str(here)
    monkeypatch.setenv("ENTRO_CONFIG", "../../../y.toml")
    assert Path(file_of()).samefile(other)
    assert file_of("--config", named) == str(named)
    monkeypatch.setenv("ENTRO_CONFIG", "")
    assert file_of() == str(here)
    monkeypatch.setenv("ENTRO_CONFIG", os.devnull)
    assert file_of() == os.devnull


def test_a_folder_of_that_name_is_not_it(folder, write, monkeypatch):
    above = write("")
    (folder / "a/entro.toml").mkdir(parents=True)
    monkeypatch.chdir(folder / "a")
    assert file_of() == str(above)


def test_relative_paths_are_relative_to_what_says_them(folder, write, monkeypatch):
    write('history = "h"\nreports = "../r"\nlogs = ["logs/*.csv", "/var/log/x.csv", "~/y.csv"]\n', "etc/entro.toml")
    (folder / "work").mkdir()
    config = load_config(folder / "etc/entro.toml", {"HOME": "/nowhere"}, folder / "work")
    found = config.settings()
    assert found.history == folder / "etc/h"
    assert found.reports == folder / "etc/../r"
    assert found.logs == (str(folder / "etc/logs/*.csv"), "/var/log/x.csv", str(Path.home() / "y.csv"))
    assert config.settings(options={"history": OptionValue("h", "--history")}).history == folder / "work/h"
    variable = load_config(folder / "etc/entro.toml", {"ENTRO_HISTORY": "v"}, folder / "work")
    assert variable.settings().history == folder / "work/v"


def test_a_folder_that_is_called_like_a_pattern(write, settings, folder):
    log = write("time,rate\n", "[old] logs/day [1].csv")
    write('logs = ["*.csv", "day [1].csv"]\n', "[old] logs/entro.toml")
    pattern, name = load_config(log.parent / "entro.toml", {}, folder).settings().logs
    assert [*find_logs([pattern])] == [*find_logs([name])] == [str(log)]


def test_without_a_file_everything_is_at_its_default(folder, shown):
    values = shown()
    assert {origin for _, origin in values.values()} == {"default"}
    assert values["gamma"][0] == 0.75
    assert values["wait"][0] == pytest.approx(10 / 1.2)
    assert values["history"][0].endswith("history")
    assert "reports" in values
    assert values["reports"][0] is None


OTHERS = {
    "another user's": lambda file: os.chown(file, 12345, -1),
    "writable by all": lambda file: file.chmod(0o666),
    "writable by a group": lambda file: (os.chown(file, -1, 12345), file.chmod(0o664)),
    "another user's link": lambda file: (_as_link(file), os.chown(file, 12345, -1, follow_symlinks=False)),
    "a link in a folder of others": lambda file: (_as_link(file), file.parent.chmod(0o777)),
    "a link to another user's": lambda file: (_as_link(file), os.chown(file, 12345, -1)),
}


def _as_link(file):
    file.symlink_to(file.rename(file.with_name("other.toml")))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
@pytest.mark.parametrize("change", OTHERS.values(), ids=OTHERS)
def test_a_file_that_may_be_another_user_s_work_is_used_only_if_it_is_named(folder, write, monkeypatch, change):
    log = write("time,scraper_rate,llm_queue\n2026-04-06T00:00:00Z,1,2\n2026-04-06T00:00:01Z,1,2\n", "a/log.csv")
    file = write('[alerts]\ncommand = "touch ran"\n')
    monkeypatch.chdir(folder / "a")
    assert file_of() == str(file)
    change(file)
    for command in (["config"], ["analyze", log], ["schedule", "run", "--daily"]):
        error = entro(*command).error
        assert error.startswith(f"{file}: is not used, as it ")
        assert f"--config {file}" in error
    assert file_of("--config", file) == str(file)
    monkeypatch.setenv("ENTRO_CONFIG", str(file))
    assert file_of() == str(file)
    assert not (folder / "a" / "ran").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_private_group_and_root_are_trusted(folder, write):
    file = write("")
    os.chown(file, -1, os.getegid())
    file.chmod(0o664)
    assert file_of() == str(file)


def test_the_first_group_of_many_users_is_not_private(folder, write):
    write("").chmod(0o664)
    with patch("grp.getgrgid", return_value=SimpleNamespace(gr_name="users", gr_mem=[])):
        assert "other users of its group" in entro("config").error


def test_a_user_s_own_link_is_followed(folder, write):
    folder.chmod(0o1777)  # as /tmp: only the owner of a link may replace it
    file = write("gamma = 0.6\n")
    _as_link(file)
    assert file_of() == str(file)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_file_that_is_replaced_while_it_is_read_is_not_used(folder, write):
    file = write("")
    other = write('[alerts]\ncommand = "touch ran"\n', "other.toml")
    os.chown(other, 12345, -1)
    found, is_file = [], os.path.isfile

    def swapped(path):  # the other user is quick: after the search, before the file is opened
        if is_file(path) and Path(path) == file:
            found.append(path)
            other.replace(file)
        return is_file(path)

    with patch("os.path.isfile", swapped):
        assert "belongs to another user (12345)" in entro("config").error
    assert found
