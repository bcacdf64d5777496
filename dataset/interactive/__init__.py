"""The DAVIS interactive track: scribbles, the robot that draws them, sequences."""
