"""A real chain behind a JSON-RPC endpoint: requests, keys, settings, and transactions that survive their process."""
