"""Large interiors, 12 to 60 m wide: factories, garages, warehouses, churches, halls, theatres."""
