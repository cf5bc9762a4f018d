"""One module per use case of a running pipeline: follow its sources, watch it, coordinate it."""
