"""Splats to chunks of bytes and back, one module per profile."""
