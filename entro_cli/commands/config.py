"""`entro config`: every value in force, and where it came from."""

from __future__ import annotations

from entro_cli.commands import options as given

EPILOG = """\
[bold]Examples[/bold]: what is in force here; and for one pipeline of a file, for a program to read.

[cyan]entro config[/cyan]

[cyan]entro config --config /etc/entro.toml --pipeline frontend --json[/cyan]
"""


def config(
    *,
    config_file: given.ConfigFile = None,
    pipeline: given.Pipeline = "default",
    as_json: given.Json = False,
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
    debug: given.Debug = False,
) -> None:
    """Show every value in force for a pipeline and where it came from: a default, entro.toml or a variable.

    Options of a command come over all of them. docs/configuration.md tells of every key. Secrets are not shown.
    """
    from entro_cli.commands.views.config import config_document, config_view
    from entro_cli.core.console import Terminal
    from entro_cli.workflows.settings import check_settings, read_config

    terminal = Terminal(quiet, verbose)
    found = read_config(config_file, terminal)
    check_settings(found.settings(pipeline))
    entries = found.entries(pipeline)
    if as_json:
        terminal.document(config_document(found.file, pipeline, found.pipelines, entries))
    else:
        terminal.show(*config_view(found.file, pipeline, found.pipelines, entries))
