"""The reports of a run: a card for programs, JUnit and SARIF for services, and a site for people.

Each is made from the run's events. The card has everything that the others need, so that cards of several targets and
versions can be combined later.
"""
