"""What runs the SQL files."""
