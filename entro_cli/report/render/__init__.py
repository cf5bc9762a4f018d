"""Renderers: each module turns a Summary, a Fleet or a simulation into one format."""
