"""How a number of things is said: `1 row`, `3 rows`."""


def counted(n: int, one: str, many: str | None = None) -> str:
    """The number and its word: `counted(n, "row")`, `counted(n, "row has", "rows have")`. Without `many` the
    plural has an s."""
    return f"{n:,} {one if n == 1 else many or f'{one}s'}"
