"""Chaos: random questions, a person who decides at random, and SIGKILL of whatever there is."""
