"""Makes and checks the known-answer vectors, and has targets answer them. The package `vectors` has and loads them."""
