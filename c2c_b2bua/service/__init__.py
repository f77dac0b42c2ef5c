"""What the product does, in its own words: connect, hang up, documents, history, accounts."""
