"""What Parley promises beyond the protocol texts, as scenarios that run along with Otterproof's own."""

from otterproof import Context, scenario


@scenario()
def a_second_session_begins_at_once(context: Context) -> None:
    """After the friend has ended a session, a query is all it takes to start the next one."""
    target, insider = context.encrypted()
    target.end_by_peer(insider)
    target.establish(insider)
    target.assert_receives_text(insider, b"here I am again")
