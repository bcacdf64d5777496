"""The base that everything stands on, and which imports nothing of the project but itself."""
