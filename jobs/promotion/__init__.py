"""From the laptop to Dataproc: what is shipped, whether it can run there, and the commands of the way."""
