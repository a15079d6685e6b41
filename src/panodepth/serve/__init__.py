"""`panodepth serve`: predictions over HTTP. What it does without HTTP is in `service`."""
