"""What rooms and outdoor places have in common: frames to build in, ground plans, small things."""
