"""Recipes, fit and cached features: from a model and examples to a run."""
