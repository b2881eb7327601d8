"""How the known-answer vectors are made, checked and answered. The package `vectors` has them and loads them."""
