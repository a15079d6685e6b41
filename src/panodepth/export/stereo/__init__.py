"""Pictures for headsets and for viewers of depth."""
