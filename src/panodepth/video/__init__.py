"""360° video in, distances that hold still out."""
