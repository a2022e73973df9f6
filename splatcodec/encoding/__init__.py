"""The encoder: a pipeline from pictures to files."""
