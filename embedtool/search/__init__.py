"""Nearest images by inner product: exact, or approximate with a certificate. The one owner of
faiss."""

from embedtool.search.all_pairs import AllPairs as AllPairs
from embedtool.search.all_pairs import beyond as beyond
from embedtool.search.build_approximate import build_search as build_search
from embedtool.search.build_approximate import have_certified as have_certified
from embedtool.search.build_approximate import milliseconds as milliseconds
from embedtool.search.build_approximate import share_found as share_found
from embedtool.search.exact import Ids as Ids
from embedtool.search.exact import Similarities as Similarities
from embedtool.search.exact import check_similarity as check_similarity
from embedtool.search.exact import merge as merge
from embedtool.search.exact import nearest as nearest
from embedtool.search.exact import within as within
from embedtool.search.searcher import Exact as Exact
from embedtool.search.searcher import Searcher as Searcher
from embedtool.search.searcher import open_searcher as open_searcher
