"""Tables of a simulated graph of stages."""
