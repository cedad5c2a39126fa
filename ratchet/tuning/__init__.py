"""Search spaces and strategies: what a study asks for, what it may cost, what it found, and its page."""
