"""The handlers. Each parses the request, calls a service and builds the response."""
