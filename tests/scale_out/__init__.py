"""Several worker hosts that share PostgreSQL, the Prefect API and the result storage, and nothing else."""
