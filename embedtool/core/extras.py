"""Libraries that not every installation has."""

import re
from importlib.metadata import requires
from importlib.util import find_spec

from embedtool.errors import EmbedtoolError


def require(*libraries: str) -> None:
    """Raise EmbedtoolError, with the line that installs it, if one of these is not installed.

    The line names the libraries themselves: an extra of embedtool would have to be installed from
    where embedtool was installed from.
    """
    missing = [library for library in libraries if find_spec(library) is None]
    if missing:
        wanted = " ".join(f"'{_requirement(library)}'" for library in missing)
        raise EmbedtoolError(
            f"this needs {' and '.join(missing)}, which this installation lacks: "
            f"pip install {wanted}"
        )


def _requirement(library: str) -> str:
    """Return a library with the versions that embedtool can use, as pip takes it."""
    specifiers = (line.split(";")[0].strip() for line in requires("embedtool") or ())
    return next((text for text in specifiers if re.split("[<>=~! ]", text)[0] == library), library)
