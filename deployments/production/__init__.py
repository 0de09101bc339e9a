"""`doctor` for an installation that is not the local stack: what is wrong with it, and the command that mends it."""
