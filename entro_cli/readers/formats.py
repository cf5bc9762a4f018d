"""Names of the log formats, in the order they are listed, without the readers behind them."""

from __future__ import annotations

# The help lists them: importing the registry for it would load NumPy and DuckDB. A test compares the two.
FORMATS = (
    *("table", "events", "requests", "benchmark", "vllm", "sglang", "scrapy", "celery", "worker"),
    *("prometheus", "metrics"),
)
