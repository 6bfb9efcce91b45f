"""The jobs, and what runs them."""
