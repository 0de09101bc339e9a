"""The one place that states the version; the first event of every run carries it."""

__version__ = "0.1.0"
