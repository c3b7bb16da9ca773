"""The pages at which people sign in to applications: plain HTML, no script, nothing loaded."""
