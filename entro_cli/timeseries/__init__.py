"""Observations of several sources, joined and resampled onto a regular grid of steps."""
