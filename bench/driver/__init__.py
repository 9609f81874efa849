"""The driver behind bench/run: what is measured (cases), by whom (danaus, peers), when (rounds), and the report."""
