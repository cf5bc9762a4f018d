"""Explanations of how logs are recognised and understood, for `entro formats --explain`."""
