"""The `entro` command: everything that touches a file, a terminal, a clock or a browser."""
