"""The HTTP service. The only package that imports Litestar."""

from retrieval import __version__ as __version__
