"""The page that shows what the jobs write."""
