"""What must hold of a day before it is published, and what is asked of it after."""
