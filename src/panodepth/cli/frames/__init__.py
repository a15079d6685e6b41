"""Commands over the frames of a camera or a video."""
