"""`python -m jobs doctor`: what on this machine keeps the product from running, and the remedy for each."""
