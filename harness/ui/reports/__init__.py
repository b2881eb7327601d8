"""What a run leaves for others: a card for programs, JUnit and SARIF for services, and a site for people.

Each is made from the events of a run. The card has all that the others need, so that cards of several targets and
versions can be put together later.
"""
