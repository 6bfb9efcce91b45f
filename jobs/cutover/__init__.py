"""The way out of Pub/Sub Lite: a running job goes on with Kafka, and counts every event once."""
