"""When days are made, and who is told when that fails."""
