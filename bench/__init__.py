"""Benchmarks: each writes JSON under `results/`, from which `tables.py` writes the tables of the README."""
