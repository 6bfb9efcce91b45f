"""Dead letters at hand: listed, shown, exported as replay files and sent to their stream again."""
