"""A panorama as pictures of ordinary cameras, for tools that know no other."""
