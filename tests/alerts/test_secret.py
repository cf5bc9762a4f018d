import os
import traceback

import pytest
from msgspec.structs import asdict

from entro_cli.automation.alerts.email import Email
from entro_cli.automation.alerts.webhook import Webhook
from entro_cli.core.json_document import as_json
from entro_cli.core.secrets import SecretFile, SecretText, SecretVariable, secret_of
from entro_engine import EntroError

VALUE = "s3cr3t-value"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "my password"
    path.write_text(f"{VALUE}\n")
    path.chmod(0o600)
    return path


def failure(secret, **environ):
    with pytest.raises(EntroError) as raised:
        secret.reveal(environ)
    assert VALUE not in "".join(traceback.format_exception(raised.value))
    return str(raised.value)


def test_from_a_variable():
    assert SecretVariable("A").reveal({"A": f"{VALUE}\n"}) == VALUE


@pytest.mark.parametrize(("environ", "found"), [({}, "is not set"), ({"A": " \n"}, "is empty")])
def test_a_variable_without_a_secret(environ, found):
    assert failure(SecretVariable("A"), **environ).startswith(f"environment variable A: {found}; expected the secret")


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_from_a_file(file, mode):
    file.chmod(mode)
    assert SecretFile(file).reveal({}) == VALUE


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o620, 0o777])
def test_a_file_that_others_can_get_at(file, mode):
    file.chmod(mode)
    error = failure(SecretFile(file))
    assert f"its mode {mode:03o} gives other users access" in error
    assert error.endswith(f"run: chmod 600 '{file}'")


def test_it_is_the_mode_of_the_file_behind_a_link(file, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(file)
    assert SecretFile(link).reveal({}) == VALUE
    file.chmod(0o644)
    assert "gives other users access" in failure(SecretFile(link))


@pytest.mark.parametrize(
    ("content", "found"), [(b"", "is empty"), (b"\n\n", "is empty"), (b"\xffs3cr3t", "is not text")]
)
def test_a_file_without_a_secret(file, content, found):
    file.write_bytes(content)
    assert found in failure(SecretFile(file))


def test_no_file(tmp_path):
    assert "cannot be read: No such file" in failure(SecretFile(tmp_path / "none"))
    assert "cannot be read: Is a directory" in failure(SecretFile(tmp_path))


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert "is not a regular file" in failure(SecretFile(tmp_path / "pipe"))


def test_from_the_configuration():
    assert SecretText(f" {VALUE}\n").reveal({}) == VALUE
    assert "is empty" in failure(SecretText(" "))


def test_nothing_shows_it(file):
    secrets = [SecretText(VALUE), SecretVariable("A"), SecretFile(file)]
    for secret in secrets:
        email = Email(("a@b.example",), "c@d.example", "host", 25, user="me", password=secret)
        channels = [email, Webhook(secret)]
        for value in [secret, *channels, channels, *map(asdict, channels)]:
            assert VALUE not in f"{value!r} {value!s}"
    with pytest.raises(TypeError) as raised:
        as_json(Webhook(SecretText(VALUE)))  # rather no document than one with the secret in it
    assert VALUE not in str(raised.value)


def test_named_in_one_of_three_ways(file):
    assert secret_of() is None
    assert secret_of(variable="A") == SecretVariable("A")
    assert secret_of(path=file) == SecretFile(file)
    assert secret_of(text=VALUE).reveal({}) == VALUE
    with pytest.raises(EntroError, match="in more than one way") as raised:
        secret_of(variable="A", text=VALUE)
    assert VALUE not in str(raised.value)
