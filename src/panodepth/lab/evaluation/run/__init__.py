"""Predictors and datasets, and the run over all of them."""
