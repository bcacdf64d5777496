"""Video files: packets, frames of any index, and MP4s of results."""
