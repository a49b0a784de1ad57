"""Read the certificate of the approximate index that searches use, without opening the index."""

from embedtool.errors import DerivedDamaged
from embedtool.search.centre import centre_digest, read_centre
from embedtool.search.recall_certificate import Certificate
from embedtool.store.derived import SEARCH, read_about
from embedtool.store.reader import IndexReader


def read_certificate(index: IndexReader) -> Certificate | None:
    """Return the certificate, or None if there is none for the centre of the index."""
    try:
        about = read_about(index.path, SEARCH, index.fingerprint)
        certificate = Certificate.of(about) if about else None
    except DerivedDamaged:
        return None
    if certificate and certificate.centre == centre_digest(read_centre(index)):
        return certificate
    return None
