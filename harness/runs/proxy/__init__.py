"""A proxy between two programs: it sees every message on the way, and can drop, change, repeat or hold it back.

`relay` is the core, without any I/O: messages in, messages out, and a happening for everything seen or done. What is
done to a message is an action (`actions`), chosen by a rule (`rules`), an adversary (`adversary`) or a person. `irc`
speaks IRC, `serving` has the sockets, and `between` lets two targets talk through the relay, repeatedly if needed
(`interleavings`). `records` writes down what happens, and `outside` judges it.
"""
