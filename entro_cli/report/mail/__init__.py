"""The report as an e-mail: a short text, a page of tables and pictures, and the whole report attached."""
