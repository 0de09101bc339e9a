"""Statements that the SQL gate must refuse, must let pass, and text that must not steer the agent."""
