"""The daily analytics platform of an e-commerce company, on Dagster."""

__version__ = "0.1.0"
