"""Rooms: plans, walls, ceilings, furniture, lamps."""
