"""The jobs and the code that runs them."""
