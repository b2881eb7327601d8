"""What Natter promises beyond the protocol texts, as scenarios that run along with Otterproof's own."""

from otterproof import Context, scenario


@scenario(versions=(3,))
def markup_arrives_as_it_was_typed(context: Context) -> None:
    """Natter shows what was typed. It neither removes nor escapes text that looks like markup."""
    target, insider = context.encrypted()
    target.assert_receives_text(insider, b"a < b && c > d")
    target.assert_sends_text(insider, b"<b>bold</b>")
