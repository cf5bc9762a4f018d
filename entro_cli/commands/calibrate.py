"""`entro calibrate`: measure a server in its logs, and write the results as an entro.toml."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from entro_cli.commands.options import (
    OUTPUT,
    CommonOptions,
    HistoryOptions,
    Json,
    Logs,
    PipelineName,
    ReadingOptions,
    TargetWait,
    keys_set_by,
    option,
)

EPILOG = """\
[bold]Examples[/bold]: calibrate on a day of logs, and show the result for a longest wait of five seconds.

[cyan]entro calibrate scrapy.log vllm.log[/cyan]

[cyan]entro calibrate requests.jsonl --step 1s --target-wait 5s --out -[/cyan]

[cyan]entro calibrate scrapy.log vllm.log --save[/cyan]  (the reports from the history use it from now on)
"""

ConfigOut = Annotated[Path, option(OUTPUT, "--out PATH", "File to write; - for standard output.")]
SaveLearned = Annotated[bool, option(OUTPUT, "--save", "Keep them in the history of the pipeline; no file is written.")]
Force = Annotated[bool, option(OUTPUT, "--force", "Overwrite an existing file.")]


def calibrate(
    *,
    logs: Logs,
    target_wait: TargetWait = None,
    reading: ReadingOptions,
    out: ConfigOut = Path("entro.toml"),
    force: Force = False,
    save: SaveLearned = False,
    pipeline: PipelineName = "default",
    store: HistoryOptions,
    as_json: Json = False,
    common: CommonOptions,
) -> None:
    """Measure the capacity of the server and the full load of each stage, and write them to entro.toml with evidence.

    The logs must show a rate stage that feeds a queue stage, and the server at work. With --save the history of the
    pipeline keeps them, in place of those that it learned before.
    """
    from entro_cli.analysis.calibration import calibration_of
    from entro_cli.commands.views.calibration import calibration_toml, calibration_view
    from entro_cli.core.console import printable
    from entro_cli.core.files import refuse_to_overwrite, write_whole
    from entro_cli.readers.inputs.log_file import label_of
    from entro_cli.workflows.history_admin import keep_calibration
    from entro_cli.workflows.load_logs import load_logs
    from entro_cli.workflows.print_warnings import print_load_warnings
    from entro_cli.workflows.settings import load_options, read_settings

    terminal = common.terminal()
    to_stdout = str(out) == "-"
    if as_json and to_stdout:
        raise typer.BadParameter("--json already prints to standard output", param_hint="--out")
    settings = read_settings(store.config_file, pipeline, terminal, **keys_set_by(reading, store), wait=target_wait)
    if not (to_stdout or save):
        _refuse_existing(out, force)
    loaded = load_logs(logs, load_options(settings, reading.stage))
    print_load_warnings(loaded, terminal)
    found = calibration_of(settings.maintenance().view(loaded.steps), settings.wait_s, settings.gamma, loaded.zone)
    text = calibration_toml(found, tuple(map(label_of, loaded.paths)))
    written = keep_calibration(found, settings) if save else str(out)
    if to_stdout and not save:
        terminal.text(text)
        return
    if not save:
        refuse_to_overwrite(out, loaded.paths)
        write_whole(out, text)
    if as_json:
        if not save:
            terminal.note(f"wrote {printable(str(out))}")
        terminal.document("calibration", {"written": written}, found)
    elif not common.quiet:
        terminal.show(*calibration_view(found, written))


def _refuse_existing(out: Path, force: bool) -> None:
    """Refuse to overwrite a file that the user has not allowed to be overwritten.

    Raises:
        EntroError: when the file exists and --force is not set.
    """
    from entro_cli.core.console import printable
    from entro_engine import EntroError

    if out.exists() and not force:
        raise EntroError(
            "already exists",
            where=printable(str(out)),
            remedy="--force overwrites it, --out names another file, and --out - shows the result",
        )
