"""Training a SphereViT to predict distance: `panodepth train`."""
