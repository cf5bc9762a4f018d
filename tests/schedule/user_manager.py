"""A systemd that manages a user's services, in a process and mount namespace of its own: containers have none."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.schedule.system import require, require_program, require_root

SYSTEMD = Path("/usr/lib/systemd/systemd")

# /run/systemd/system is how systemd knows that the machine was booted with it.
SCRIPT = """\
mount -t tmpfs tmpfs /run/systemd && mkdir /run/systemd/system
{systemd} --user --log-target=null &
manager=$!
for _ in 1 2 3 4 5 6 7 8 9 10; do
  systemctl --user show --property=Version >/dev/null 2>&1 && break
  sleep 0.3
done
{script}
status=$?
systemctl --user exit
wait $manager
exit $status
"""


@pytest.fixture
def user_manager(user, tmp_path):
    """A function that runs a shell script where the user's systemd answers; `entro` is on its PATH."""
    require_program(SYSTEMD, "systemd")
    require_root()
    namespaces = ["unshare", "--mount", "--pid", "--fork", "--mount-proc"]
    possible = subprocess.run([*namespaces, "true"], capture_output=True, check=False)
    require(possible.returncode == 0, f"no namespaces here: {possible.stderr.decode().strip()}")
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"

    def run(script):
        return subprocess.run(
            [*namespaces, "sh", "-c", SCRIPT.format(systemd=shlex.quote(str(SYSTEMD)), script=script)],
            env={"HOME": str(user.home), "PATH": path, "XDG_RUNTIME_DIR": str(runtime)},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return run
