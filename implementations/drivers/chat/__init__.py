"""Drivers of chat programs: the driver acts as the server that the program connects to, and as its user.

irc.py and xmpp.py are the servers, terminal.py runs the program on a terminal, home.py gives it its own folder, and
party.py has what all programs share. Each program has modules for its configuration, its commands and its texts.
"""
