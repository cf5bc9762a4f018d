"""Jobs run by cron or systemd: their commands, and where they are installed and listed."""
