"""A gateway in front of a language model: answers are streamed, token by token."""
