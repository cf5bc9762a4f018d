"""For every test: a browser where it asks for one, and examples that are the same on every machine and at every hour.

The developer's own configuration is out of sight: no entro.toml is looked for, and no ENTRO_* variable of theirs sets
anything.

`pytest --hypothesis-profile=search` looks further, with new examples each time.
"""

import os
import signal

from hypothesis import Phase, settings

from tests.browser_page import browser

__all__ = ["browser"]

# Whoever starts the tests in the background ignores SIGINT, and all their processes would ignore it with them: those
# that wait to be interrupted would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup has it ignored

for name in [name for name in os.environ if name.startswith("ENTRO_") and not name.startswith("ENTRO_REQUIRE_")]:
    del os.environ[name]
os.environ["ENTRO_CONFIG"] = os.devnull
# Most tests count with the published full loads, which a change of the log leaves alone. Those of learned ones ask
# for them (tests/analyze/test_full_loads.py, tests/history/test_full_loads.py), and so do the pages of the docs.
os.environ["ENTRO_FULL_LOADS"] = "published"

settings.register_profile("ci", derandomize=True, database=None, deadline=None, max_examples=100)
settings.register_profile("search", database=None, deadline=None, max_examples=5000)
# A law that was broken on purpose need only be seen to fail: no time is spent on the smallest example of it.
settings.register_profile(
    "mutation", settings.get_profile("ci"), max_examples=500, phases=(Phase.explicit, Phase.generate)
)
# At home fewer of them: the tests are to be run often.
settings.register_profile("home", settings.get_profile("ci"), max_examples=20)
settings.load_profile("ci" if os.environ.get("CI", "") not in {"", "0", "false"} else "home")
