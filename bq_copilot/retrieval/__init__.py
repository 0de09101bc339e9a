"""Which tables a question is about: words, wildcard families, the index, and the choice within a budget."""
