"""Tables with one row per request."""
