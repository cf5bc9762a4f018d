"""Answers of a Prometheus server, saved or fetched."""
