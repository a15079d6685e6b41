"""How close every way to run a network comes to what the machine can do: `panodepth bench`."""
