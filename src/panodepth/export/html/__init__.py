"""The viewer: one HTML file that shows rooms in 3D, from a disk, without a server."""
