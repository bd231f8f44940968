"""The handlers: each parses, delegates and shapes."""
