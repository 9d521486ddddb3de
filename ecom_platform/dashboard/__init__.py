"""The pages that people open: what is on them, and how they look."""
