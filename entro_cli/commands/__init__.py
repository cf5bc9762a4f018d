"""The commands: one thin module each. Options in, one call, the result to a printer."""
