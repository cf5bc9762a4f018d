"""Charts of reports and simulations, as Plotly figures."""
