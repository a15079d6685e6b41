"""Many pictures into a folder."""
