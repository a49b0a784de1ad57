"""Examples in docstrings, run as a reader would type them."""

import doctest


def run_doctest(item: object) -> None:
    """Run the example of one docstring, in the current folder; fail where it has none."""
    [example] = doctest.DocTestFinder(recurse=False).find(
        item, getattr(item, "__name__", ""), globs={}
    )
    result = doctest.DocTestRunner().run(example)
    assert result.attempted and not result.failed
