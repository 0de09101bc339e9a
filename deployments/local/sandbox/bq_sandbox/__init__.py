"""A local stand-in for BigQuery's REST API, good enough for the unmodified official client. Sandbox, not BigQuery.

Decision: of the `bqemulator` package only the SQL layer is used (its GoogleSQL to DuckDB translator and the Python
functions that its output calls). Its HTTP layer blocks every request while a query runs, forgets results at exit,
executes dry runs and ignores destinations, so a shim in front of it would have replaced each route it has. Here one
DuckDB file holds tables, catalog and job registry together, which gives what no shim could: a job's effect and the
record that it is done are committed in one transaction, so a crash never leaves one without the other.

Must never: reach the network, read host files for a query, or be taken for an authority on BigQuery's numbers.
"""

__version__ = "0.1.0"
