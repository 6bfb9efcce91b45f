"""A local Dataproc that the unmodified gcloud talks to."""
