"""The process: uvicorn, connections, middleware, admission and response headers."""
