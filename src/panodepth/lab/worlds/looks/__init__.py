"""What surfaces and skies look like: patterns, prints, the texture atlas, skies."""
