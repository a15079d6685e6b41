"""Where the sky is: what a model says, what a picture looks like, what a user knows."""
