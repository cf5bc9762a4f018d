"""Work without a person: scheduled jobs and alerts."""
