"""Renderers: each turns a summary into one format."""
