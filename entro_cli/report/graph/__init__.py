"""Tables, drawing and page of a simulated graph of stages."""
