"""The migration off Pub/Sub Lite: a running job continues on Kafka and counts every event once."""
