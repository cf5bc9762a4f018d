"""Adding to the history: which logs are new, what of them is new, and how it joins the steps that are stored."""
