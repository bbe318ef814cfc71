"""Receipts and what moved."""
