"""Files of the package besides its code: the templates and the sample logs."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from entro_engine import EntroError


@cache
def bundled(name: str) -> Path:
    """Return a bundled folder.

    A wheel has it beside the package's modules, an editable install at the top of the repository.

    Args:
        name: `templates` or `sample_logs`.

    Raises:
        EntroError: if it is in neither place.
    """
    # The folder of entro_cli, relative to this module: adapt it if the module moves.
    package = Path(__file__).parents[1]
    for folder in (package / name, package.parent / name):
        if folder.is_dir():
            return folder
    raise EntroError(
        f"the folder {name} of the package is missing",
        where=str(package),
        remedy="reinstall entro-cli",
    )
