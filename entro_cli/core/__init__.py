"""Tools that every package uses: clock, console, files, formatting, processes, remote files, secrets."""
