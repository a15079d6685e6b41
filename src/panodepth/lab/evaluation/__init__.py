"""How good a predictor is: protocols, alignment, measures, runs over datasets and reports."""
