"""Logs of vLLM servers."""
