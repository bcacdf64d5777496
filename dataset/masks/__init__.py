"""Mask files: from numbers and colours in files to labels of objects (docs/PROPAGATE.md)."""
