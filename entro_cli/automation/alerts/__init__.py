"""From incidents and silence to the people who should know: one message for each, on each channel, once."""
