"""Logs of SGLang servers."""
