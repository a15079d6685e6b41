"""From solids to pixels: exact ray casting, surfaces and light, batched over worlds."""
