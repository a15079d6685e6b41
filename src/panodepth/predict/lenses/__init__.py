"""Pictures that are no whole panorama: laid on the sphere, predicted, and seen as before."""
