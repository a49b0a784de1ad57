"""Examples in docstrings, run as a reader would type them."""

import doctest

import embedtool


def run_doctest(item: object, name: str = "") -> None:
    """Run the example of one docstring, in the current folder; fail where it has none.

    It runs after `import embedtool`, and `...` in an expected output stands for any text.
    """
    name = name or str(getattr(item, "__name__", ""))
    finder = doctest.DocTestFinder(recurse=False)
    examples = finder.find(item, name, globs={"embedtool": embedtool})
    assert examples, f"the docstring of {name} has no example"
    result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(examples[0])
    assert result.attempted and not result.failed, f"the example of {name} is wrong"
