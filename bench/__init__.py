"""Measures what the product reads: accuracy against truth files, and time and memory beside its peers."""
