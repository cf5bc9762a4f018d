from pathlib import Path

from entro_squid import SquidReader

from entro_cli.testing import Example, ReaderTests

LOG = Path(__file__).with_name("access.log").read_bytes()
# Two requests arrived at 08:00:10: one lasted a minute.
COUNTS = {0: 1, 10: 2, 20: 1, 30: 1, 40: 1, 50: 1, 60: 1, 70: 1}


class TestSquid(ReaderTests):
    reader = SquidReader()
    examples = (Example(LOG, {"scraper": {f"2026-04-06T08:0{at // 60}:{at % 60:02}Z": COUNTS[at] for at in COUNTS}}),)
    bad_line = b"1775462400.250 x 10.0.0.7 TCP_MISS/200"
    foreign = (b"2026/04/06 08:00:00 kid1| Accepting HTTP Socket connections at conn3 local=[::]:3128\n",)
