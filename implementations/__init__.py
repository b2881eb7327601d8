"""OTR implementations: the contract that they share, two engines, and drivers for third-party implementations."""
