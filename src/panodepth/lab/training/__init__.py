"""Training of a SphereViT on rendered panoramas: `train(load_config("recipes/compact.toml"))`."""
