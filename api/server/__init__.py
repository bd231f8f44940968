"""The process: uvicorn, connections, admission and response headers."""
