"""Use cases of the commands, one module each."""
