"""A proxy between two programs: it sees every message on the way, and can lose, change, repeat or hold it back.

`relay` is the core, without any I/O: messages in, messages out, and a happening for all that is seen or done. What is
done to a message is an action (`actions`), which a rule (`rules`), an adversary (`adversary`) or a person chooses.
`irc` speaks IRC, `serving` has the sockets, and `between` lets two targets talk through the relay, again and again if
need be (`interleavings`). `records` writes down what happens, and `outside` judges it.
"""
