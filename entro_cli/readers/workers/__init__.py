"""Logs of task workers."""
