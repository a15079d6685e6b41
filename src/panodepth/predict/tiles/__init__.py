"""Parts of a panorama seen by themselves, and merged into it again."""
