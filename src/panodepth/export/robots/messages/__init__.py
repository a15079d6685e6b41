"""ROS messages of a prediction: what they hold as arrays, serialised, and in bags."""
