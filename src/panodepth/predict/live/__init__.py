"""Frames of a moving camera in, laser scans out, one by one."""
