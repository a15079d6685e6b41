"""Relative distance to metres, by what is known of a place."""
