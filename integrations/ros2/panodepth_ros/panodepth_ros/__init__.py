"""Laser scans and point clouds out of the pictures of a 360° camera, as a node of ROS 2."""
