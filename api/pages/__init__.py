"""The pages for people: search, status and problems."""
