"""Training the metres network: a recipe, the loss, the task."""
