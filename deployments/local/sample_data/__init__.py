"""A made-up shop and its web analytics, drawn from a seed: what the local warehouse is filled with.

Decides: which rows the sample tables hold and what their columns mean. Never does: read a clock, the
network or the environment; the same seed and scale give the same bytes. Why this shape: one file per noun
(goods, customers, orders, refunds, visits, clicks), each a few whole-column numpy steps, so two years of
trade take seconds; what an analyst may discover in them is written down once, in `stories`.
"""
