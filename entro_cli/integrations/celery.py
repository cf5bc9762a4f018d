"""Celery tasks that wait for the permission of `entro coordinate` before they begin. Needs Celery 5.5 or newer."""

from typing import Any

from celery import Task, signals

from entro_cli.integrations.limiter import Limiter

_limiter = Limiter()


class EntroTask(Task):  # type: ignore[misc]  # celery carries no types
    """Base of tasks that load the server: `@app.task(base=EntroTask, entro_requests=N)`, N LLM requests per run."""

    abstract = True
    entro_requests = 1.0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Wait for permission, then run the task."""
        _limiter.acquire(self.entro_requests)
        return super().__call__(*args, **kwargs)


def _leave(**_: Any) -> None:
    _limiter.close()


signals.worker_process_shutdown.connect(_leave)  # a process of the prefork pool
signals.worker_shutdown.connect(_leave)  # threads, solo
