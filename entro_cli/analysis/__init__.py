"""From steps to figures, incidents, the error budget, calibration and coordination."""
