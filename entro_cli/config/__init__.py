"""The configuration: entro.toml, ENTRO_* variables and options become the Settings of a pipeline."""

from entro_cli.config.layers import OptionValue
from entro_cli.config.load import Config, default_path, load_config
from entro_cli.config.provenance import ConfigEntry
from entro_cli.config.settings import AlertSettings, EmailSettings, Settings

__all__ = [
    "AlertSettings",
    "Config",
    "ConfigEntry",
    "EmailSettings",
    "OptionValue",
    "Settings",
    "default_path",
    "load_config",
]
