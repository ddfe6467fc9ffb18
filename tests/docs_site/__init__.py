"""The site in which the code blocks of README and docs are executed, each page in a process.

``docs/contributing.md`` says what each kind of block is taken for.
"""
