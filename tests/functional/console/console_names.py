"""A name that would like to be markup."""

HOSTILE = "<img src=x onerror=\"document.title='owned'\">"
