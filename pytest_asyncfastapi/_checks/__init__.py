"""What a plain test reports by default: habits that break under load or trouble.

Judged after the test, from the calls, statements and connections that were seen anyway.
"""
