"""Watching and coordinating a running pipeline."""
