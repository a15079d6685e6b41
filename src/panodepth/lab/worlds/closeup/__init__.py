"""Rooms seen from above or beside something low and wide: beds, tables, counters, sofas, baths."""
