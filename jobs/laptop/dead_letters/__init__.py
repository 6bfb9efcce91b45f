"""Commands for dead letters: list, show, export as replay files, and resend to their stream."""
