"""What survives the process: documents, accounts and history on SQLite or PostgreSQL."""
