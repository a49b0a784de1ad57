"""Nearest images by inner product: exact, or approximate with a certificate. The one owner of
faiss."""
