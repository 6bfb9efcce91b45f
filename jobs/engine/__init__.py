"""The runtime: what every job needs and no job should have to implement."""
