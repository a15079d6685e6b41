"""The batches of a run: rendered, from disk, augmented."""
