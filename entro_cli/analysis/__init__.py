"""Analysis of steps: figures, incidents, error budget, calibration, coordination and simulation."""
