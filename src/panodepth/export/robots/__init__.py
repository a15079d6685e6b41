"""What robots and cars take: laser scans, occupancy maps, height maps. Metres only."""
