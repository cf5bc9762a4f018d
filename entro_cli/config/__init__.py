"""The configuration of entro: entro.toml, ENTRO_* variables and options become the Settings of a pipeline."""

from entro_cli.config.layers import Given
from entro_cli.config.load import Config, load_config, usual_place
from entro_cli.config.provenance import Entry
from entro_cli.config.settings import Alerts, Email, Settings, Webhook

__all__ = ["Alerts", "Config", "Email", "Entry", "Given", "Settings", "Webhook", "load_config", "usual_place"]
