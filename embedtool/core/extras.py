"""Optional libraries."""

import re
from importlib.metadata import requires
from importlib.util import find_spec

from embedtool.errors import EmbedtoolError


def require(*libraries: str) -> None:
    """Raise EmbedtoolError, with the pip command to run, if one of these libraries is missing.

    The command names the libraries themselves. The name of an extra would work only together with
    the path or wheel that embedtool was installed from.
    """
    missing = [library for library in libraries if find_spec(library) is None]
    if missing:
        wanted = " ".join(f"'{_requirement(library)}'" for library in missing)
        raise EmbedtoolError(
            f"this needs libraries that are not installed ({' and '.join(missing)}). Run: "
            f"pip install {wanted}"
        )


def _requirement(library: str) -> str:
    """Return the requirement for pip: the library and the versions that embedtool supports."""
    specifiers = (line.split(";")[0].strip() for line in requires("embedtool") or ())
    return next((text for text in specifiers if re.split("[<>=~! ]", text)[0] == library), library)
