"""A sync: plan, build, verify and publish; and the watch that repeats it."""
