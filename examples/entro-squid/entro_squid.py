"""A reader of the native access.log of Squid: requests of a scraper behind the proxy."""

import re

import numpy as np

from entro_cli.readers.inputs.log_file import EmptyLogError
from entro_cli.readers.quantities import choose_stages
from entro_cli.readers.text_lines import BadLines, blocks
from entro_cli.timeseries.observations import Measure, Observations, Series
from entro_engine import Kind

# logformat squid: %ts.%03tu %6tr %>a %Ss/%03>Hs %<st %rm ... The time is the end of the request, %tr its length in ms.
LINE = re.compile(rb"(?m)^(?:\xef\xbb\xbf)? *([1-8]\d{9})\.(\d{3}) +(\d{1,9}) \S+ [A-Z_]+/\d{3} \d+ [A-Z]+ ")


class SquidReader:
    name, description, gives = "squid", "the native access.log of Squid", "requests as a rate (scraper)"

    def recognise(self, log):
        return 0.9 if LINE.search(log.head) else 0.0

    def read(self, log, options):
        arrivals, bad = [], BadLines()
        for block in blocks(log):
            offset = block.offset
            for line in block.content.split(b"\n"):
                if match := LINE.match(line):
                    arrivals.append((int(match[1] + match[2]) - int(match[3])) * 10**6)
                elif line.strip():
                    bad.add(offset, "not a line of an access.log", line)
                offset += len(line) + 1
        if not arrivals:
            raise EmptyLogError("has no request so far", where=log.label)
        rows = bad.check(log, len(arrivals), options, "lines of Squid's native access.log")
        times, counts = np.unique(arrivals, return_counts=True)
        rate = Series("scraper", Kind.RATE, times, counts.astype(float), None, "requests", Measure.EVENTS)
        stages = choose_stages([rate], options)
        return Observations(log.label, self.name, stages, len(arrivals), bad.count, rows, "epoch")
