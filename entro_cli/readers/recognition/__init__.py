"""How a log is recognised and understood, for `entro formats --explain`."""
