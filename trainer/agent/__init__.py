"""An account that takes part in a market by itself, and an auditor that watches one.

What to do next is a pure function of what is known (`decide`, with `odds`, `barriers` and `budget`); the loop around it
finds out what is known and carries it out (`loop`, `study`, `watch`).
"""
