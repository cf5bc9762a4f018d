"""`entro calibrate`: what a log itself says of its server, as an entro.toml."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from entro_cli.commands import options as given

EPILOG = """\
[bold]Examples[/bold]: from a day of logs; what would be written, for a longest wait of five seconds.

[cyan]entro calibrate scrapy.log vllm.log[/cyan]

[cyan]entro calibrate requests.jsonl --step 1s --target-wait 5s --out -[/cyan]
"""

Out = Annotated[Path, typer.Option("--out", metavar="PATH", help="What is written; - for standard output.")]
Force = Annotated[bool, typer.Option("--force", help="Write over a file that is there already.")]
TargetWait = Annotated[
    str | None,
    typer.Option(
        "--target-wait",
        metavar="8s",
        help="The longest wait you accept.",
        show_default="the configured one, else 8.33 s",
    ),
]


def calibrate(
    *,
    logs: given.Logs,
    target_wait: TargetWait = None,
    out: Out = Path("entro.toml"),
    force: Force = False,
    stage: given.Stages = None,
    time: given.TimeColumn = None,
    start: given.Start = None,
    year: given.Year = None,
    tz: given.TimeZone = None,
    step: given.Step = None,
    offset: given.Offsets = None,
    input_format: given.InputFormat = None,
    strict: given.Strict = False,
    redact: given.Redact = False,
    config: given.ConfigFile = None,
    as_json: given.Json = False,
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
    debug: given.Debug = False,
) -> None:
    """Work out what the server serves and when each stage is full, and write it into entro.toml with the evidence.

    It needs a rate stage that feeds a queue stage, in logs that saw the server busy.
    """
    from entro_cli.analysis.calibration import calibration_of
    from entro_cli.commands.views.calibration import SCHEMA, calibration_toml, calibration_view
    from entro_cli.core.console import Terminal
    from entro_cli.core.json_document import to_builtins
    from entro_cli.readers.inputs.log_file import label_of
    from entro_cli.workflows.load_logs import load
    from entro_cli.workflows.print_warnings import print_load_warnings
    from entro_cli.workflows.settings import load_options, read_settings

    terminal = Terminal(quiet, verbose)
    to_stdout = str(out) == "-"
    if as_json and to_stdout:
        raise typer.BadParameter("standard output is taken by --json", param_hint="--out")
    reading: dict[str, Any] = {"time": time, "start": start, "zone": tz, "step": step, "input_format": input_format}
    reading |= {"year": year, "offset": offset, "strict": strict, "redact": redact, "wait": target_wait}
    settings = read_settings(config, "default", terminal, **reading)
    if not to_stdout:
        _refuse(out, force)
    loaded = load(logs, load_options(settings, stage))
    print_load_warnings(loaded, terminal)
    found = calibration_of(settings.maintenance().view(loaded.steps), settings.wait_s, settings.gamma, loaded.zone)
    text = calibration_toml(found, tuple(map(label_of, loaded.paths)))
    if to_stdout:
        terminal.text(text)
        return
    _write(out, text, loaded.paths)
    if as_json:
        terminal.document({"schema": SCHEMA, "written": str(out), **to_builtins(found)})
    elif not quiet:
        terminal.show(*calibration_view(found, str(out)))


def _refuse(out: Path, force: bool) -> None:
    """Refuse to write over a file.

    Raises:
        EntroError: when there is one, and nobody said that it may go.
    """
    from entro_cli.core.console import printable
    from entro_engine import EntroError

    if out.exists() and not force:
        raise EntroError(
            "is there already",
            where=printable(str(out)),
            remedy="--force writes over it, all of it; --out names another, and --out - shows what would be written",
        )


def _write(out: Path, text: str, logs: tuple[str, ...]) -> None:
    from entro_cli.core.files import refuse_to_overwrite, write_whole

    refuse_to_overwrite(out, logs)
    write_whole(out, text)
