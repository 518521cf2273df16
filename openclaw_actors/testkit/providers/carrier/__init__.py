"""What carriers have in common, played: the people on the lines, a stream's buffer, calls that are placed, faults."""
