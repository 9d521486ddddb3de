"""Orders, customers and payments in MySQL or MariaDB."""
