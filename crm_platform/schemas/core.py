"""Core tables."""
