"""What the HTTP doors say of themselves: OpenAPI 3.1, and a page made of it."""
