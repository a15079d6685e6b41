"""How good a prediction is: alignment and metrics, plain numpy."""
