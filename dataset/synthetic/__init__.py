"""Synthetic videos with exact masks: textured, bending objects in a scene, written as files."""
