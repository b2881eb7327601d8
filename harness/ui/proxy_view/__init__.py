"""The terminal view of the proxy, made with Textual, an optional extra: only the command `proxy` imports it."""
