"""Files in a folder or in S3 as a source; `source.py` is its entry."""
