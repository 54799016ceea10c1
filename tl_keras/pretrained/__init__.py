"""Weights shipped with the package, their manifest and their model card (data, no code)."""
