"""`twinstream doctor`: finds what keeps the product from running on this machine, with remedies."""
