"""The `entro` command: everything that touches a file, a terminal, a clock or a browser.

`import entro_cli as entro` gives `read`, `History` and `simulate` of `entro_cli.api`, which is loaded when one is used.
"""

TYPE_CHECKING = False  # importing typing would take half of the time
if TYPE_CHECKING:
    from entro_cli.api import Analysis, EntroWarning, History, Pipeline, Report, SimulatedRuns, read, simulate
    from entro_engine import EntroError

__all__ = [
    "Analysis",
    "EntroError",
    "EntroWarning",
    "History",
    "Pipeline",
    "Report",
    "SimulatedRuns",
    "read",
    "simulate",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from entro_cli import api

    value: object = getattr(api, name)
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
