"""Alerts for incidents, silence and failed gates, delivered once on each channel."""
