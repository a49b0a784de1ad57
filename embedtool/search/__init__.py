"""Search by inner product: exact, or approximate with a certificate.

No other package uses faiss.
"""
