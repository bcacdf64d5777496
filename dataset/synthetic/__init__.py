"""The demo clip: textured, bending objects in a scene, rendered with exact masks."""
