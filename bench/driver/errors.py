"""The one exception of the driver: what went wrong and what to do, printed by main without a trace."""


class BenchError(Exception):
    pass
