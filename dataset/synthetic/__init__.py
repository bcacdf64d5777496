"""Synthetic videos with exact masks: textures on bending objects, in a scene, written as files."""
