"""What runs on a laptop only: it is never shipped to a cluster, and nothing outside imports it."""
