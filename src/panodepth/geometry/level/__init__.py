"""Where up is, and how far below the floor lies, from a distance map."""
