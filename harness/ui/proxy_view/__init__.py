"""The view of the proxy in a terminal, made with Textual, which is an extra: only the command `proxy` imports this."""
