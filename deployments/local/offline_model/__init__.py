"""The offline model: a rule-based planner behind an OpenAI-compatible HTTP server; needs no key and no network."""
