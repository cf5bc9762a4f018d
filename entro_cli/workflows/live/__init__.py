"""What the commands for running pipelines do."""
