"""From a Run and its Summary to pages and terminals."""
