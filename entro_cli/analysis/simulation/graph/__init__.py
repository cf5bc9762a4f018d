"""Simulation of graphs of stages."""
