"""Formats of text logs that the user declares in entro.toml."""
