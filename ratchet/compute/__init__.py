"""Where jobs run: backends behind one protocol, each a file whose name is its key."""
