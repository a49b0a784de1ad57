"""A progress function that records what it is called with."""


class Reports:
    """calls: (stage, done, total) of each call."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int, int]] = []

    def __call__(self, done: int, total: int, /, *, stage: str, rejected: int = 0) -> None:
        self.calls.append((stage, done, total))
