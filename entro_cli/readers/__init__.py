"""From files to Observations: one module a format."""
