"""Jobs that cron or systemd runs: what they call, where they are written, how they are found again."""
