"""Video files: packet index, random access to frames, and MP4s of results."""
