"""How fast Varve is here, each figure beside a floor measured in the same run. `python -m bench --help`; docs/BENCHMARKS.md."""
