"""The HTTP service. The only place that knows Litestar."""

__version__ = "0.1.0"
