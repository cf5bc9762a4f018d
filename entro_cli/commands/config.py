"""`entro config`: every setting, and where its value is from."""

from __future__ import annotations

from entro_cli.commands.options import CommonOptions, ConfigFile, Json, PipelineName

EPILOG = """\
[bold]Examples[/bold]: the settings in this folder, and those of one pipeline as JSON.

[cyan]entro config[/cyan]

[cyan]entro config --config /etc/entro.toml --pipeline frontend --json[/cyan]
"""


def config(
    *,
    config_file: ConfigFile = None,
    pipeline: PipelineName = "default",
    as_json: Json = False,
    common: CommonOptions,
) -> None:
    """Show every setting of a pipeline and where its value is from: a default, entro.toml or a variable.

    Options of a command override all of these. Secrets are not shown.
    """
    from entro_cli.commands.views.config import config_view
    from entro_cli.workflows.settings import check_settings, read_config

    terminal = common.terminal()
    found = read_config(config_file, terminal)
    check_settings(found.settings(pipeline))
    entries = found.entries(pipeline)
    if as_json:
        values = {key: {"value": value, "origin": origin} for key, value, origin in entries}
        facts = {"file": found.file, "pipeline": pipeline, "pipelines": found.pipelines}
        terminal.document("config", facts, {"values": values})
    else:
        terminal.show(*config_view(found.file, pipeline, found.pipelines, entries))
