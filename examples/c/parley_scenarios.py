"""What Parley promises beyond the protocol texts, as scenarios: they run with those of Otterproof."""

from otterproof import Context, scenario


@scenario()
def a_second_session_begins_at_once(context: Context) -> None:
    """When the friend has ended a session, the next one needs nothing but a query."""
    target, insider = context.encrypted()
    target.end_by_peer(insider)
    target.establish(insider)
    target.assert_receives_text(insider, b"here I am again")
