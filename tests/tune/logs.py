"""Logs of a scraper that feeds a server whose capacity changes, made from a fixed seed."""

import numpy as np


def changing_server(path, seed=6, steps=3600, capacities=(0.0, 6.0, 6.0), hold=30, demand=(1.0, 8.0)):
    """Write a CSV with one row a second: what a scraper without a controller sends, and the queue that grows from it.

    The server's capacity is drawn anew every `hold` steps; the demand is Poisson, and switches between calm and busy.
    """
    rng = np.random.default_rng(seed)
    capacity = np.repeat(rng.choice(capacities, steps // hold + 1), hold)
    busy, queue, rows = 0, 0.0, []
    for step in range(steps):
        busy ^= int(rng.random() < (0.02, 0.03)[busy])
        arrived = float(rng.poisson(demand[busy]))
        queue += arrived - min(queue + arrived, capacity[step])
        rows.append(f"{step},{arrived:g},{queue:.6f}\n")
    path.write_text("t,scraper_rate,llm_queue\n" + "".join(rows))
    return path
