"""Evaluation sets: questions with right answers, and how well runs of the platform answer them."""
