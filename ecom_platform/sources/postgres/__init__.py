"""The dialect of PostgreSQL: connecting, its catalog, its values, the queries over a shop."""
