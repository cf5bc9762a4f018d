"""Charts of a report: what is drawn, and where its ticks are."""
