"""The console: what runs in localcloud, as pages for a browser on this machine. It reads, and changes nothing."""

from localcloud.console.application import PREFIX, Console

__all__ = ["PREFIX", "Console"]
