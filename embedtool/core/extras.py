"""Optional libraries."""

from importlib.util import find_spec

from embedtool.errors import EmbedtoolError


def require(*libraries: str, extra: str = "export") -> None:
    """Raise EmbedtoolError, with the install command, if one of these is not installed."""
    missing = [library for library in libraries if find_spec(library) is None]
    if missing:
        raise EmbedtoolError(
            f"this needs {' and '.join(missing)}, not installed here: "
            f"pip install 'embedtool[{extra}]'"
        )
