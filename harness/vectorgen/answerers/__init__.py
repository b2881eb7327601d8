"""The adapters that answer the questions of the vectors: one for each engine, and one on the harness's own codec."""
