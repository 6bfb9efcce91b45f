"""A server for the programs of one machine: what both emulators need to refuse everything else."""
