"""From the laptop to Dataproc: the package, checks that it can run there, and the deployment commands."""
