"""Implementations of OTR: the contract they speak, two engines, and drivers for those of others."""
