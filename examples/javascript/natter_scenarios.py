"""What Natter promises beyond the protocol texts, as scenarios: they run with those of Otterproof."""

from otterproof import Context, scenario


@scenario(versions=(3,))
def markup_arrives_as_it_was_typed(context: Context) -> None:
    """Natter shows what was typed; what looks like markup is neither removed nor escaped."""
    target, insider = context.encrypted()
    target.assert_receives_text(insider, b"a < b && c > d")
    target.assert_sends_text(insider, b"<b>bold</b>")
