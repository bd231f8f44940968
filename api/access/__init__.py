"""Access: API keys, rate limits, trusted proxies, and the guard that applies them."""
