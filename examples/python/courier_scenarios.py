"""What Courier promises beyond the protocol texts, as scenarios that run along with Otterproof's own."""

from otterproof import Context, scenario


@scenario(versions=(2,))
def a_long_report_arrives_whole(context: Context) -> None:
    """A report of 20 KiB, with accents, line breaks and emoji, arrives unchanged in both directions."""
    report = "tous les étages sont à jour \N{OTTER}\n".encode() * 600
    target, insider = context.encrypted()
    target.assert_receives_text(insider, report)
    target.assert_sends_text(insider, report)
