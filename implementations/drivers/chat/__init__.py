"""Drivers of chat programs: the driver is the server that the program connects to, and its user.

irc.py is the server, terminal.py runs the program on a terminal, home.py gives it a folder of its own, and party.py has
what all programs share. A module for each program knows its configuration, its commands and its words.
"""
