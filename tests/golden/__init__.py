"""Golden ledgers: what every release wrote must be read by every later one."""
