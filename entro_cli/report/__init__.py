"""Reports: the Summary of a period, its charts, and the renderers that turn it into pages, text and metrics."""
