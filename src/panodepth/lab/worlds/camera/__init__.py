"""The camera that photographs a rendered world, and its faults."""
