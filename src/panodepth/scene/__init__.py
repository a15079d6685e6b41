"""Several panoramas of one place: where each stands, and at what scale."""
