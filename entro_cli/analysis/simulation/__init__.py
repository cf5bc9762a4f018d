"""Scenarios run under several controllers."""
