"""Simulation: scenarios run under several controllers."""
