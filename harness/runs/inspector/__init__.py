"""Messages taken apart for people: what each field is, which requirement it follows from, and what is inside.

`sources` finds messages in whatever is pasted; `opening` tries the secrets that somebody has; `inspected` puts together
what is known of each message; `forging` changes a message under a MAC key, as anybody can once that key is revealed.
Everything here reads with the harness's own codec and computes with the harness's own arithmetic.
"""
