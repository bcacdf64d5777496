"""Shrinking of pictures and masks on disk, behind `scripts.resize_youtube` and `scripts.resize_length`."""
