"""How a network runs on a CUDA device."""
