"""What a prediction is given on request: floor in place of a tripod, and how sure it is."""
