"""Scripts beside the main entry points; run as `python -m scripts.NAME`."""
