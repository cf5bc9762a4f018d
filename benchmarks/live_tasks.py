"""The pages of `benchmarks/live.py` as Celery tasks: each fetches a page, and posts it to an LLM server.

`celery --app live_tasks worker`, with BROKER and LLM, two URLs, in the environment, and the coordinator's.
"""

from __future__ import annotations

import json
import os
import urllib.request
from urllib.parse import urlsplit

from celery import Celery

from entro_cli.integrations.celery import EntroTask

app = Celery("live_tasks", broker=os.environ["BROKER"])
app.conf.update(task_acks_late=True, worker_prefetch_multiplier=1, task_ignore_result=True)


@app.task(base=EntroTask)
def ask(url: str) -> None:
    """Fetch a page and wait for the answer to it."""
    with urllib.request.urlopen(url, timeout=10) as response:
        text = response.read().decode()
    headers = {"X-Request-Id": urlsplit(url).path, "Content-Type": "application/json"}
    body = json.dumps({"model": "fake", "prompt": text}).encode()
    request = urllib.request.Request(f"{os.environ['LLM']}/v1/completions", body, headers)
    with urllib.request.urlopen(request, timeout=600) as answer:
        answer.read()
